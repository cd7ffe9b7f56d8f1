"""Work through the worker protocol: a backlog drained, and the cost of a large fan-out."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Generator
from contextlib import contextmanager
from statistics import median

from bench.children import LOAD_CORE, BenchFailed, Server
from bench.contenders import start_ours
from bench.lanes import Drained, agent, drain, phone_ids
from bench.options import Options, Row, Table
from bench.wanted import TOKEN, body
from procession.client import Client

PHONES = 40
CALLERS = 32
BACKLOG, BACKLOG_QUICK = 5_000, 400
MEMBERS = (1_000, 10_000)
MEMBERS_QUICK = (100, 1_000)
SMALL_REPEATS = 5
RATIO_MAX = 12

PROTOCOL = """\
A backlog of waiting `echo` items ended by a client inside the measurement that speaks the worker
protocol for 40 phones: claim, finish, and the next claim with each finish. No adb, no child, no
agent program: this is the server's share. "one call": all 40 phones in each call, as an agent
sends what gathered meanwhile; "40 calls": each phone for itself, 40 requests under way at once.
The client shares its core with nothing of the server, but it is Python too and costs as much."""

FAN_OUT = f"""\
One request with routing `group` and so many accounts, all its items ended by the client described
above (one call for 40 phones): from the first claim to the last end. Linear is 10 x; at most
{RATIO_MAX} x is wanted."""


def protocol(options: Options) -> Table:
    backlog = BACKLOG_QUICK if options.quick else BACKLOG
    folder = options.folder / "protocol"
    folder.mkdir()
    with start_ours(folder) as ours, on_load_core():
        rows = asyncio.run(_protocol(ours, backlog, options.rounds))
    return Table("Claim and finish, protocol alone", PROTOCOL, rows)


def fan_out(options: Options) -> Table:
    members = MEMBERS_QUICK if options.quick else MEMBERS
    folder = options.folder / "fan_out"
    folder.mkdir()
    with start_ours(folder) as ours, on_load_core():
        rows = asyncio.run(_fan_out(ours, members, options.rounds))
    return Table("Linear fan-out", FAN_OUT, rows)


@contextmanager
def on_load_core() -> Generator[None, None, None]:
    """This process on the core that the servers leave free, where there is one."""
    before = os.sched_getaffinity(0)
    if LOAD_CORE in before:
        os.sched_setaffinity(0, {LOAD_CORE})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


async def _protocol(ours: Server, backlog: int, rounds: int) -> list[Row]:
    phones = phone_ids(PHONES)
    measured: dict[int, list[tuple[Drained, float]]] = {1: [], PHONES: []}
    async with Client(ours.url, TOKEN) as client, agent(client, phones):
        for number in range(rounds):
            for calls, results in measured.items():
                await submit(client, f"drain-{number}-{calls}", backlog)
                cpu_s = ours.cpu_s()
                drained = await drain(client, phones, expected=backlog, calls=calls)
                results.append((drained, ours.cpu_s() - cpu_s))
    rows = []
    for calls, results in measured.items():
        cpu_us = median(cpu_s / drained.items * 1e6 for drained, cpu_s in results)
        name = f"{backlog:,} items, {calls} call{'s' if calls > 1 else ''} for {PHONES} phones"
        values = [drained.per_s for drained, _ in results]
        rows.append(Row(name, "items/s", values, {"server CPU us": f"{cpu_us:.0f}"}))
    return rows


async def submit(client: Client, prefix: str, count: int) -> list[str]:
    """Submit that many requests from some callers at once; the ids of their processes."""
    numbers = iter(range(count))

    async def caller() -> list[str]:
        return [await enqueue(client, body(f"{prefix}-{number}")) for number in numbers]

    found = await asyncio.gather(*(caller() for _ in range(CALLERS)))
    return [process_id for ids in found for process_id in ids]


async def enqueue(client: Client, message: dict[str, object]) -> str:
    """Submit one request; its process_id."""
    status, _, answer = await client.post("/capability-requests/enqueue", message)
    if status != 202:
        raise BenchFailed(f"submission answered {status} {answer}")
    process_id: str = answer["process_id"]
    return process_id


async def _fan_out(ours: Server, members: tuple[int, int], rounds: int) -> list[Row]:
    phones = phone_ids(PHONES)
    took: dict[int, list[float]] = {count: [] for count in members}
    accepted: dict[int, list[float]] = {count: [] for count in members}
    async with Client(ours.url, TOKEN) as client, agent(client, phones):
        accounts = await create_accounts(client, max(members))
        for number in range(rounds):
            for count in members:
                again = [f"f-{number}-{count}-{turn}" for turn in range(repeats(count, members))]
                runs = [await fan(client, name, accounts[:count], phones) for name in again]
                accepted[count].append(median(run[0] for run in runs))
                took[count].append(median(run[1] for run in runs))
    small, large = members
    ratios = [one / other for one, other in zip(took[large], took[small], strict=True)]
    rows = [
        Row(
            f"{count:,} items claimed and finished",
            "s",
            took[count],
            {
                "items/s": f"{count / median(took[count]):,.0f}",
                "accepted in ms": f"{median(accepted[count]):.0f}",
            },
        )
        for count in members
    ]
    return [*rows, Row(f"{large:,} against {small:,}", "x", ratios)]


def repeats(count: int, members: tuple[int, int]) -> int:
    """The small one is run several times a round: alone it is too short to be measured well."""
    return SMALL_REPEATS if count == min(members) else 1


async def fan(
    client: Client, request_id: str, accounts: list[str], phones: list[str]
) -> tuple[float, float]:
    """One group request, ended: milliseconds until it was accepted, seconds until all had ended."""
    message = body(request_id, routing="group", account_ids=accounts)
    began = time.perf_counter()
    process_id = await enqueue(client, message)
    accepted_ms = (time.perf_counter() - began) * 1e3
    drained = await drain(client, phones, expected=len(accounts), calls=1)
    await must_be_completed(client, process_id)
    return accepted_ms, drained.took_s


async def create_accounts(client: Client, count: int) -> list[str]:
    """Accounts without a phone of their own; their ids."""
    names = [f"account_{number:05d}" for number in range(count)]
    waiting = iter(names)

    async def caller() -> None:
        for name in waiting:
            status, _, answer = await client.post("/accounts", {"account_id": name})
            if status != 201:
                raise BenchFailed(f"account answered {status} {answer}")

    await asyncio.gather(*(caller() for _ in range(CALLERS)))
    return names


async def must_be_completed(client: Client, process_id: str) -> None:
    status, _, answer = await client.get(f"/processes/{process_id}")
    if status != 200 or answer["status"] != "completed":
        raise BenchFailed(f"process {process_id} is {answer.get('status')}, not completed")
