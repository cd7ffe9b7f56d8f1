"""What a claim and its end cost where much lies about: ended work, stuck work, dead rows.

Each situation on a PostgreSQL database of its own, through the operations, without HTTP. Costs are
processor time, of this process and of the database's, so that a busy machine changes them little.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import asyncpg
import uvloop

from bench import population
from bench.children import TICKS_PER_S
from bench.lanes import Countdown, phone_ids
from bench.options import Options, Row, Table
from bench.peers.ours import AGENT, CALLER, create_accounts, register, submit_many, work
from bench.peers.stores import postgres
from procession import working
from procession.engine import Engine
from procession.opening import open_engine
from procession.protocol import Claim
from procession.settings import Settings

PHONES = 64
ITEMS, ITEMS_QUICK = 20_000, 512
ENDED, ENDED_QUICK = 1_000_000, 4_000
WAITING, WAITING_QUICK = 100_000, 2_000
STUCK, STUCK_QUICK = 40_000, 1_000

TEXT = f"""\
One agent with {PHONES} phones claims and ends items of a queue for all phones, {ITEMS:,} a round.
"held": another session has had a transaction open since before, so that no dead row can be swept.
Microseconds of processor time for one claim and end, ours and the database's, autovacuum apart."""

Situation = Callable[[Engine, str, bool], AbstractAsyncContextManager[None]]


@asynccontextmanager
async def plain(engine: Engine, address: str, quick: bool) -> AsyncGenerator[None, None]:
    yield


@asynccontextmanager
async def crowded(engine: Engine, address: str, quick: bool) -> AsyncGenerator[None, None]:
    """A million processes ended, a hundred thousand wait."""
    ended = ENDED_QUICK if quick else ENDED
    waiting = WAITING_QUICK if quick else WAITING
    connection = await asyncpg.connect(address)
    try:
        for text in population.statements("postgresql", ended + waiting, waiting):
            await connection.execute(text)
        await connection.execute(population.items("postgresql"))
        await connection.execute(
            "SELECT setval(pg_get_serial_sequence('process', 'number'), max(number)) FROM process"
        )
        await connection.execute("VACUUM ANALYZE")
    finally:
        await connection.close()
    yield


@asynccontextmanager
async def stuck(engine: Engine, address: str, quick: bool) -> AsyncGenerator[None, None]:
    """Much waits for two phones that are busy."""
    busy = ["busy0", "busy1"]
    await register(engine, [*busy, *phone_ids(PHONES)])
    await create_accounts(engine, busy, busy)
    await submit_many(engine, "busy", busy)
    assert len(await working.claim(engine, CALLER, Claim(AGENT, busy, 0))) == len(busy)
    count = STUCK_QUICK if quick else STUCK
    await submit_many(engine, "stuck", [busy[number % 2] for number in range(count)])
    yield


@asynccontextmanager
async def held(engine: Engine, address: str, quick: bool) -> AsyncGenerator[None, None]:
    """Another session reads in a transaction that it does not end."""
    connection = await asyncpg.connect(address)
    try:
        async with connection.transaction(isolation="repeatable_read"):
            await connection.fetchval("SELECT count(*) FROM (SELECT 1 FROM item LIMIT 1) AS one")
            await submit_many(engine, "before", [""] * (ITEMS_QUICK if quick else 2 * ITEMS))
            await drained(engine, ITEMS_QUICK if quick else 2 * ITEMS)
            yield
    finally:
        await connection.close()


SITUATIONS: dict[str, Situation] = {
    "plain": plain,
    "a million ended, 100,000 waiting": crowded,
    "40,000 stuck behind two busy phones": stuck,
    "a transaction held open, 40,000 items later": held,
}


def claims(options: Options) -> Table:
    rows: dict[str, list[tuple[float, float]]] = {name: [] for name in SITUATIONS}
    with postgres() as store:
        for _ in range(min(options.rounds, 2)):
            for name, situation in SITUATIONS.items():
                address = store.database()
                rows[name].append(uvloop.run(_cost(situation, address, options.quick)))
                store.drop(address)
    first = min(sum(one) for one in rows["plain"])
    return Table(
        "Claims in a crowd", TEXT, [_row(name, found, first) for name, found in rows.items()]
    )


def _row(name: str, found: list[tuple[float, float]], plain_us: float) -> Row:
    totals = [ours + theirs for ours, theirs in found]
    ours, theirs = min(found, key=sum)
    notes = {"ours": f"{ours:.0f}", "PostgreSQL": f"{theirs:.0f}"}
    return Row(name, "us", totals, notes | {"of plain": f"{min(totals) / plain_us:.2f}"})


async def _cost(situation: Situation, address: str, quick: bool) -> tuple[float, float]:
    """Microseconds an item, of this process and of the database's."""
    count = ITEMS_QUICK if quick else ITEMS
    async with open_engine(Settings(database=address, lease_ms=600_000)) as engine:
        await register(engine, phone_ids(PHONES))
        async with situation(engine, address, quick):
            if situation is not crowded:
                await submit_many(engine, "work", [""] * count)
            ours_s, theirs_s = time.process_time(), backends_cpu_s(address)
            await drained(engine, count)
            ours_us = (time.process_time() - ours_s) / count * 1e6
            return ours_us, (backends_cpu_s(address) - theirs_s) / count * 1e6


async def drained(engine: Engine, count: int) -> None:
    """Claim and end until so many have ended."""
    phones, left = phone_ids(PHONES), Countdown(count)
    await asyncio.gather(*(work(engine, phones[start::2], left) for start in range(2)))


def backends_cpu_s(address: str) -> float:
    """What the server processes of our connections to a database have used."""
    name = address.partition("@/")[2].partition("?")[0]
    used = 0
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            said = (folder / "cmdline").read_bytes().decode(errors="replace")
            if f" {name} " in said and said.startswith("postgres:") and "autovacuum" not in said:
                fields = (folder / "stat").read_text().rpartition(")")[2].split()
                used += int(fields[11]) + int(fields[12])
        except OSError:
            continue
    return used / TICKS_PER_S
