"""From a submission to a run on a simulated phone: how many a second, and how soon."""

from __future__ import annotations

import asyncio
import json
import os
import tempfile
import time
from collections.abc import Sequence
from datetime import datetime
from statistics import median, quantiles
from typing import Any

from bench import stamp
from bench.children import BenchFailed, Server
from bench.contenders import call
from bench.fleet import fleet, free_phones, until
from bench.options import Options, Row, Table
from bench.wanted import TOKEN, body
from bench.work import enqueue, submit
from procession.client import Client

PHONES, PHONES_QUICK = 40, 4
BACKLOG, BACKLOG_QUICK = 2_000, 40
DRAIN_S_MAX = 300.0
RATE_PER_S = 20
SUBMITTED, SUBMITTED_QUICK = 200, 20
END_S_MAX = 30.0
PAGE = 200
FLOOR_TRIES = 50

DRAIN = """\
A backlog of `echo` items on simulated phones: one agent, adb, a fresh child for each item. All
phones are paused while the backlog is submitted, then let go; the time is from the first claim to
the last end, as the records say. The server has a core to itself; agent, children, adb and phones
share what is left."""

LATENCY = f"""\
{RATE_PER_S} submissions a second, each run in a child of its own on a free simulated phone. By one
clock: when the request is sent (here), the claim (`executing_at` of the record), when the child
enters the capability (the result of the capability `stamp`, which is offered like any other).
The floor is what this machine takes for the two disk syncs and the two forks in between, measured
apart, one after the other; what lies above the floor is ours."""


def drain(options: Options) -> Table:
    phones = PHONES_QUICK if options.quick else PHONES
    backlog = BACKLOG_QUICK if options.quick else BACKLOG
    folder = options.folder / "drain"
    folder.mkdir()
    values, cpu_us = [], []
    with fleet(folder, phones) as ours:
        for number in range(options.rounds):
            pause(ours, free_phones(ours), True)
            asyncio.run(_backlog(ours, f"e2e-{number}", backlog))
            cpu_s = ours.cpu_s()
            pause(ours, phone_names(ours), False)
            values.append(backlog / _drained_s(ours, f"e2e-{number}-", backlog))
            cpu_us.append((ours.cpu_s() - cpu_s) / backlog * 1e6)
    row = Row(
        f"{backlog:,} items over {phones} phones",
        "items/s",
        values,
        {"server CPU us": f"{median(cpu_us):.0f}"},
    )
    return Table("Claim, run and finish, end to end", DRAIN, [row])


async def _backlog(ours: Server, prefix: str, count: int) -> None:
    async with Client(ours.url, TOKEN) as client:
        await submit(client, prefix, count)


def phone_names(ours: Server) -> list[str]:
    return [phone["phone_id"] for phone in json.loads(call(ours, "/phones"))["phones"]]


def pause(ours: Server, phones: Sequence[str], paused: bool) -> None:
    for phone in phones:
        call(ours, f"/phones/{phone}", {"paused": paused}, "PATCH")


def _drained_s(ours: Server, prefix: str, count: int) -> float:
    """Seconds from the first claim to the last end of the processes with this request_id."""

    def ended() -> bool:
        return not _listed(ours, "status=queued,executing,retrying&limit=1")["processes"]

    until(ended, DRAIN_S_MAX, f"the end of {count} items")
    records = _records(ours, prefix, count)
    failed = [record for record in records if record["status"] != "completed"]
    if failed or len(records) != count:
        raise BenchFailed(f"{len(failed)} of {len(records)} items failed: {failed[:1]}")
    times = [record["timestamps"] for record in records]
    first_ms = min(at_ms(each["executing_at"]) for each in times)
    return (max(at_ms(each["finished_at"]) for each in times) - first_ms) / 1e3


def _records(ours: Server, prefix: str, count: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    query = f"limit={PAGE}"
    while len(found) < count:
        page = _listed(ours, query)
        found += [one for one in page["processes"] if one["request_id"].startswith(prefix)]
        if not page.get("next_cursor"):
            break
        query = f"limit={PAGE}&cursor={page['next_cursor']}"
    return found


def _listed(ours: Server, query: str) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(call(ours, f"/processes?{query}"))
    return answer


def at_ms(text: str) -> float:
    return datetime.fromisoformat(text).timestamp() * 1e3


def latency(options: Options) -> Table:
    phones = PHONES_QUICK if options.quick else PHONES
    count = SUBMITTED_QUICK if options.quick else SUBMITTED
    folder = options.folder / "latency"
    folder.mkdir()
    floor = floor_ms()
    with fleet(folder, phones) as ours:
        runs = asyncio.run(_runs(ours, count, options.rounds))
    whole = [[run["child"] - run["sent"] for run in runs_of] for runs_of in runs]
    parts = {
        "sent to answered (accepted, on disk)": ("sent", "answered"),
        "sent to claimed": ("sent", "claimed"),
        "claimed to the child's start": ("claimed", "child"),
    }
    rows = [spread("sent to the child's start", whole)]
    for name, (start, end) in parts.items():
        rows.append(spread(name, [[run[end] - run[start] for run in one] for one in runs]))
    ours_ms = [median(one) - floor for one in whole]
    share = f"{median(ours_ms) / median(median(one) for one in whole):.0%} of the median"
    rows.append(Row("floor: two disk syncs and two forks", "ms", [floor]))
    rows.append(Row("ours: above the floor", "ms", ours_ms, {"share": share}))
    return Table("Latency from submission to start", LATENCY, rows)


def spread(name: str, rounds: list[list[float]]) -> Row:
    """The medians of the rounds, and the 99th percentile of all."""
    together = [value for one in rounds for value in one]
    return Row(
        name,
        "ms",
        [median(one) for one in rounds],
        {"p99": f"{quantiles(together, n=100)[98]:.1f}"},
    )


async def _runs(ours: Server, count: int, rounds: int) -> list[list[dict[str, float]]]:
    async with Client(ours.url, TOKEN) as client:
        found = []
        for number in range(-1, rounds):
            one = await _round(client, f"latency-{number}", count if number >= 0 else RATE_PER_S)
            if number >= 0:
                found.append(one)
        return found


async def _round(client: Client, prefix: str, count: int) -> list[dict[str, float]]:
    """Submit at the given rate, whatever the answers take; the times of each run, in ms."""
    began = time.perf_counter()
    tasks = []
    for number in range(count):
        await asyncio.sleep(began + number / RATE_PER_S - time.perf_counter())
        tasks.append(asyncio.create_task(_run(client, f"{prefix}-{number}")))
    return await asyncio.gather(*tasks)


async def _run(client: Client, request_id: str) -> dict[str, float]:
    sent = time.time_ns() / 1e6
    process_id = await enqueue(client, body(request_id) | {"capability": stamp.NAME})
    answered = time.time_ns() / 1e6
    record = await _ended(client, process_id)
    return {
        "sent": sent,
        "answered": answered,
        "claimed": at_ms(record["timestamps"]["executing_at"]),
        "child": record["result"]["started_ms"],
    }


async def _ended(client: Client, process_id: str) -> dict[str, Any]:
    deadline = time.monotonic() + END_S_MAX
    while time.monotonic() < deadline:
        await asyncio.sleep(1.0)
        _, _, record = await client.get(f"/processes/{process_id}")
        if record["status"] == "completed":
            found: dict[str, Any] = record
            return found
    raise BenchFailed(f"process {process_id} had not completed after {END_S_MAX:.0f} s")


def floor_ms() -> float:
    """What two syncs of a page and two forks take on this machine, in ms."""
    with tempfile.TemporaryFile() as file:
        syncs = [timed_ms(lambda: _sync(file.fileno())) for _ in range(FLOOR_TRIES)]
    forks = [timed_ms(_fork) for _ in range(FLOOR_TRIES)]
    return 2 * median(syncs) + 2 * median(forks)


def timed_ms(act: Any) -> float:
    began = time.perf_counter()
    act()
    return (time.perf_counter() - began) * 1e3


def _sync(fd: int) -> None:
    os.write(fd, b"x" * 4096)
    os.fdatasync(fd)


def _fork() -> None:
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)
