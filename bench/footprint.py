"""`python -m bench.footprint`: what one run costs a durable PostgreSQL, from start to end.

Requests for `echo` go through the full HTTP API of one `procession serve`, and a client that
speaks the worker protocol for some phones ends them. Server, client and database share this
machine; the figures to use are bytes, syncs and CPU time for one run, not runs per second.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
from msgspec import Struct

from bench import report
from bench.children import TICKS_PER_S, Server, free_port
from bench.contenders import procession
from bench.lanes import AGENT_ID, agent, drain, phone_ids
from bench.peers.stores import Postgres, postgres
from bench.wanted import TOKEN, body
from bench.work import CALLERS, enqueue, on_load_core
from procession.client import Client
from procession.protocol import (
    Claim,
    Claimed,
    Finish,
    Finished,
    Heartbeat,
    Orders,
    PhoneReport,
    Report,
    Result,
    RunReport,
)

RUNS = 10_000
BEATS = 500
PHONES = 40
REPORTS = 10
CALL_S_MAX = 60.0
_SIZES = """
SELECT relname, pg_table_size(oid), pg_indexes_size(oid) FROM pg_class
WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"""
_COSTS = """
SELECT (pg_current_wal_insert_lsn() - '0/0')::bigint, wal_sync, xact_commit
FROM pg_stat_wal, pg_stat_database WHERE datname = current_database()"""
STATISTICS_S = 11.0
"""An idle connection of PostgreSQL tells what it did after ten seconds."""
_OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


class Load(Struct, frozen=True):
    """One way of using it: so many reports of progress a run, so many calls at once."""

    name: str
    reports: int = 0
    calls: int = PHONES


LOADS = (
    Load("start to end, callbacks delivered, a call for each phone"),
    Load(f"the same, all {PHONES} phones in one call, as of one busy agent", calls=1),
    Load(f"a call for each phone, and {REPORTS} reports of progress", reports=REPORTS),
)


class Costs(Struct):
    """Totals at one moment; their differences are what the runs between cost."""

    wal_bytes: int
    syncs: int
    commits: int
    server_s: float
    postgres_s: float
    at_s: float


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.footprint", description=__doc__)
    parser.add_argument("--runs", type=int, default=RUNS)
    parser.add_argument("--beats", type=int, default=BEATS)
    given = parser.parse_args()
    print(report.machine())
    with tempfile.TemporaryDirectory(prefix="procession-bench-") as folder, postgres() as database:
        print(f"PostgreSQL {database.version}, fsync on, {given.runs:,} runs each")
        for number, load in enumerate(LOADS):
            home = Path(folder) / str(number)
            home.mkdir()
            asyncio.run(measure(load, database, home, given.runs))
        home = Path(folder) / "beats"
        home.mkdir()
        asyncio.run(measure_beats(database, home, given.beats))


async def measure(load: Load, database: Postgres, folder: Path, runs: int) -> None:
    """Live through that many runs on a fresh database and print what they cost."""
    address = database.database()
    connection = await asyncpg.connect(address)
    phones = phone_ids(PHONES)
    with start_server(folder, address) as server, on_load_core():
        async with receiver() as url, Client(server.url, TOKEN) as client, agent(client, phones):
            before = await costs(connection, server, database)
            await submit(client, url, runs)
            await end(client, load, phones, runs)
            await settled(connection)
            after = await costs(connection, server, database)
        print(f"\n== {load.name} ==")
        show(before, after, runs)
        backends = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
        print(f"connections of the server: {await connection.fetchval(backends) - 1}")
    await show_sizes(connection, runs)
    await connection.close()


async def measure_beats(database: Postgres, folder: Path, beats: int) -> None:
    """Renew the leases of all phones' runs that often, and print what one lease cost."""
    address = database.database()
    connection = await asyncpg.connect(address)
    phones = phone_ids(PHONES)
    reports = [PhoneReport(phone_id=phone, serial=phone) for phone in phones]
    with start_server(folder, address) as server, on_load_core():
        async with receiver() as url, Client(server.url, TOKEN) as client, agent(client, phones):
            await submit(client, url, PHONES)
            claimed = await client.worker("claim", Claim(AGENT_ID, phones, 500), Claimed)
            held = [RunReport(item.item_id, item.attempt) for item in claimed.items]
            before = await costs(connection, server, database)
            for _ in range(beats):
                await client.worker("heartbeat", Heartbeat(AGENT_ID, held, reports), Orders)
            after = await costs(connection, server, database)
    print(f"\n== {beats:,} heartbeats, each for {len(held)} runs; per run and heartbeat ==")
    show(before, after, beats * len(held))
    await connection.close()


def start_server(folder: Path, address: str) -> Server:
    port = free_port()
    words = ["--database", address, "--port", str(port), "--bootstrap-token", TOKEN]
    settings = {"PROCESSION_CALLBACK_ALLOW": "127.0.0.0/8", "PROCESSION_LOG_LEVEL": "warning"}
    return Server("procession", procession("serve", *words), folder, port, settings)


@asynccontextmanager
async def receiver() -> AsyncGenerator[str, None]:
    """Answers every callback with 200."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                size = head.lower().partition(b"content-length:")[2].split(b"\r\n")[0]
                await reader.readexactly(int(size))
                writer.write(_OK)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    listening = await asyncio.start_server(answer, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}/"
    finally:
        listening.close()


async def submit(client: Client, url: str, runs: int) -> None:
    numbers = iter(range(runs))

    async def caller() -> None:
        for number in numbers:
            await enqueue(client, body(f"footprint-{number}") | {"callback": {"url": url}})

    await asyncio.gather(*(caller() for _ in range(CALLERS)))


async def end(client: Client, load: Load, phones: Sequence[str], runs: int) -> None:
    """Give every item to a phone and end it, each phone in calls of its own."""
    if not load.reports:
        await drain(client, phones, expected=runs, calls=load.calls)
        return
    left = [runs]

    async def work(phone: str) -> None:
        while left[0] > 0:
            claimed = await client.worker("claim", Claim(AGENT_ID, [phone], 500), Claimed)
            for item in claimed.items:
                left[0] -= 1
                await live(client, item.item_id, item.attempt, load.reports)

    await asyncio.gather(*(work(phone) for phone in phones))


async def live(client: Client, item_id: str, attempt: int, reports: int) -> None:
    """One run that tells how far it is, and ends."""
    for number in range(reports):
        told = RunReport(item_id, attempt, percent=100 * number / reports, message=f"at {number}")
        await client.worker("report", Report(AGENT_ID, [told]), Orders, CALL_S_MAX)
    result = Result(item_id, attempt, "completed")
    await client.worker("finish", Finish(AGENT_ID, [result]), Finished, CALL_S_MAX)


async def settled(connection: asyncpg.Connection[Any]) -> None:
    """Wait until no callback is owed any more."""
    owed = "SELECT count(*) FROM delivery WHERE state = 'pending'"
    ends = time.monotonic() + CALL_S_MAX
    while await connection.fetchval(owed) and time.monotonic() < ends:
        await asyncio.sleep(0.2)


async def costs(connection: asyncpg.Connection[Any], server: Server, database: Postgres) -> Costs:
    at_s = time.perf_counter()
    postgres_s = family_cpu_s(postmaster(database))
    await asyncio.sleep(STATISTICS_S)
    told = await connection.fetchrow(_COSTS)
    assert told is not None
    return Costs(told[0], told[1], told[2], server.cpu_s(), postgres_s, at_s)


def postmaster(database: Postgres) -> int:
    return int((database.folder / "data" / "postmaster.pid").read_text().split()[0])


def family_cpu_s(parent: int) -> float:
    """CPU time of a process and of all its children, also of those that have ended."""
    total = 0
    for file in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = file.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if file.parent.name == str(parent):
            total += sum(int(field) for field in fields[11:15])
        elif fields[1] == str(parent):
            total += int(fields[11]) + int(fields[12])
    return total / TICKS_PER_S


def show(before: Costs, after: Costs, runs: int) -> None:
    took = after.at_s - before.at_s - STATISTICS_S
    print(
        f"{runs / took:,.0f} a second; for one: "
        f"WAL {(after.wal_bytes - before.wal_bytes) / runs:6,.0f} bytes, "
        f"{(after.syncs - before.syncs) / runs:.3f} syncs, "
        f"{(after.commits - before.commits) / runs:.3f} commits, CPU us: "
        f"server {(after.server_s - before.server_s) / runs * 1e6:,.0f}, "
        f"PostgreSQL {(after.postgres_s - before.postgres_s) / runs * 1e6:,.0f}"
    )


async def show_sizes(connection: asyncpg.Connection[Any], runs: int) -> None:
    """Bytes for one run in each table: as the runs left it, and packed."""
    await connection.execute("VACUUM ANALYZE")
    left = {row[0]: row[1:] for row in await connection.fetch(_SIZES)}
    await connection.execute("VACUUM FULL")
    packed = {row[0]: row[1:] for row in await connection.fetch(_SIZES)}
    print(f"{'bytes for one run':18} {'rows':>6} {'as left':>8} {'packed':>8} {'its indexes':>12}")
    sums = [0.0, 0.0, 0.0]
    for table in sorted(packed):
        rows = await connection.fetchval(f'SELECT count(*) FROM "{table}"')
        if rows < runs:
            continue
        sizes = [sum(left[table]) / runs, sum(packed[table]) / runs, packed[table][1] / runs]
        sums = [one + other for one, other in zip(sums, sizes, strict=True)]
        print(f"{table:18} {rows / runs:6.1f} {sizes[0]:8,.0f} {sizes[1]:8,.0f} {sizes[2]:12,.0f}")
    print(f"{'together':18} {'':6} {sums[0]:8,.0f} {sums[1]:8,.0f} {sums[2]:12,.0f}")


if __name__ == "__main__":
    main()
