"""Ours in full, over PostgreSQL: `procession serve`, called by wrk and by a light agent."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from msgspec import Raw

from bench.children import Server
from bench.contenders import call, start_ours
from bench.fleet import adb_server, lanes_agent
from bench.lanes import AGENT_ID, CALL_S_MAX, CLAIM_MS, agent, drain
from bench.load import need_wrk, post_round
from bench.wanted import TOKEN, body, body_text
from bench.work import enqueue, on_load_core, submit
from procession.client import Client
from procession.protocol import LANES_MAX, Assignment, Claim, Claimed, Finish, Finished, Result

RATE_PER_S = 50
CALLERS = 32
CALLS = 2
"""Requests under way at once, each for a share of the phones."""
POLL_S = 0.05
LATENCY_LANES = 8
ENDLESS_S = 3_600

Options = dict[str, Any]


def measure(column: str, options: Options, folder: Path) -> dict[str, Any]:
    """One column on a fresh server over the database named. Raises BenchFailed."""
    folder.mkdir()
    with start_ours(folder, database=options["address"]) as ours:
        if column in ("one", "callers"):
            return submissions(ours, options, folder)
        with on_load_core():
            if column == "drain":
                return asyncio.run(drained(ours, options))
            return asyncio.run(latency(ours, options))


def submissions(ours: Server, options: Options, folder: Path) -> dict[str, Any]:
    need_wrk()
    file = folder / "body.json"
    file.write_text(body_text())
    connections = options.get("callers", 1)
    post_round(ours, file, prefix="warm-", connections=connections, s=1)
    found = post_round(ours, file, prefix="one-", connections=connections, s=options["seconds"])
    return {"per_s": found.per_s}


async def drained(ours: Server, options: Options) -> dict[str, Any]:
    """Without `phones` any lane takes any item."""
    phones, count = options.get("phones", []), options["count"]
    lanes = phones or [f"lane{number:03d}" for number in range(LANES_MAX)]
    async with Client(ours.url, TOKEN) as client, agent(client, lanes):
        if phones:
            await create_accounts(client, phones)
            await submit_to(client, [phones[n % len(phones)] for n in range(count)])
        else:
            await submit(client, "drain", count)
        done = await drain(client, lanes, expected=count, calls=CALLS)
    return {"per_s": done.per_s, "finished": count}


async def create_accounts(client: Client, phones: Sequence[str]) -> None:
    """An account on each phone, of its name."""
    for phone in phones:
        await client.post("/accounts", {"account_id": phone, "phone_id": phone})


async def submit_to(client: Client, accounts: Sequence[str]) -> None:
    numbers = iter(range(len(accounts)))

    async def caller() -> None:
        for number in numbers:
            await enqueue(client, body(f"drain-{number}", account_id=accounts[number]))

    await asyncio.gather(*(caller() for _ in range(CALLERS)))


async def latency(ours: Server, options: Options) -> dict[str, Any]:
    """From just before the request to the moment the assignment is here."""
    lanes = [f"lane{number}" for number in range(LATENCY_LANES)]
    begun_s: dict[str, float] = {}
    sent_s: dict[str, float] = {}
    async with Client(ours.url, TOKEN) as client, agent(client, lanes):
        waiting = asyncio.create_task(_claims(client, lanes, begun_s, options["count"]))
        start = time.perf_counter()
        for number in range(options["count"]):
            await asyncio.sleep(max(0.0, start + number / RATE_PER_S - time.perf_counter()))
            now = time.perf_counter()
            sent_s[await enqueue(client, body(f"latency-{number}"))] = now
        await waiting
    took = sorted((begun_s[process_id] - at) * 1e3 for process_id, at in sent_s.items())
    return {"p50_ms": took[len(took) // 2], "p99_ms": took[int(len(took) * 0.99)]}


async def _claims(client: Client, lanes: list[str], begun_s: dict[str, float], count: int) -> None:
    """One claim for all idle lanes under way, as an agent has; each end is told meanwhile."""
    idle = set(lanes)
    ending: set[asyncio.Task[None]] = set()

    async def end(item: Assignment) -> None:
        result = Result(item.item_id, item.attempt, "completed", result=Raw(b"{}"))
        await client.worker("finish", Finish(AGENT_ID, [result]), Finished, CALL_S_MAX)
        idle.add(item.phone_id)

    while len(begun_s) < count:
        claim = Claim(AGENT_ID, sorted(idle), CLAIM_MS)
        items = (await client.worker("claim", claim, Claimed, CALL_S_MAX)).items
        now = time.perf_counter()
        begun_s.update((item.process_id, now) for item in items)
        idle -= {item.phone_id for item in items}
        ending |= {asyncio.create_task(end(item)) for item in items}
    await asyncio.gather(*ending)


def crash(database: str, folder: Path, s_max: float) -> dict[str, Any]:
    """Two real agents, two lanes each; SIGKILL of the one that runs the first."""
    folder.mkdir()
    sleep = {"capability": "sleep", "inputs": {"seconds": ENDLESS_S}}
    with (
        start_ours(folder, database=database) as ours,
        adb_server(folder) as adb_port,
        lanes_agent(folder, ours, ["lane1", "lane2"], "doomed", adb_port) as doomed,
    ):
        lost = _submitted(ours, "lost", sleep)
        _until_running(ours, lost, 1, s_max)
        with lanes_agent(folder, ours, ["lane3", "lane4"], "healthy", adb_port):
            _pause_phones_of(ours, "doomed")
            healthy = _submitted(ours, "healthy", sleep)
            _until_running(ours, healthy, 1, s_max)
            killed = time.monotonic()
            doomed.kill()
            again = _until_running(ours, lost, 2, s_max)
            time.sleep(max(0.0, killed + s_max - time.monotonic()))
            twice = _item(ours, healthy)["attempt"] > 1
    return {"again_s": again and again - killed, "healthy_run_twice": twice}


def _submitted(ours: Server, name: str, wanted: dict[str, Any]) -> str:
    answer = json.loads(call(ours, "/capability-requests/enqueue", body(name) | wanted))
    return str(answer["process_id"])


def _item(ours: Server, process_id: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(call(ours, f"/processes/{process_id}/items"))["items"][0]
    return found


def _until_running(ours: Server, process_id: str, attempt: int, s: float) -> float | None:
    """When this attempt had started, by our clock; None: not in that time."""
    ends = time.monotonic() + s
    while time.monotonic() < ends:
        item = _item(ours, process_id)
        if item["attempt"] == attempt and item["queue_status"] == "EXECUTING":
            return time.monotonic()
        time.sleep(POLL_S)
    return None


def _pause_phones_of(ours: Server, agent_id: str) -> None:
    """So that what comes next is run by somebody else."""
    for phone in json.loads(call(ours, "/phones"))["phones"]:
        if phone["agent_id"] == agent_id:
            call(ours, f"/phones/{phone['phone_id']}", {"paused": True}, "PATCH")
