"""Pages and totals over a million tracked processes: any filters together, first and deep pages."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from random import Random
from typing import Any, cast

import uvloop

from bench import population
from bench.options import Options, Row, Table
from bench.peers.stores import postgres
from procession import clock
from procession.faces.steps.words import STATES
from procession.store.connection import Connection
from procession.store.outage import Outage
from procession.store.postgres import PostgresConnection
from procession.store.postgres_reader import PostgresReader
from procession.store.sqlite import SqliteConnection
from procession.store.tracking_lists import Listing, Wanted, list_tracked
from procession.tracking import TRACKED

ROWS, ROWS_QUICK = 1_000_000, 20_000
ASKED, ASKED_QUICK = 400, 40
LIMIT = 50
SEED = 1
FIELDS: dict[str, list[Any]] = {
    "states": list(STATES.values()),
    "namespace": ["default", "team.south", "rare", "none"],
    "search": ["invoice", "order 77", "0000777", "audit", "no such thing", "zürich", "0_", "q"],
    "template_id": ["template-1", "template-777", "none"],
    "metadata": [(("env", "prod"),), (("env", "test"), ("customer", "77")), (("none", "x"),)],
    "oldest_first": [True],
}
_TYPES = "UPDATE process SET process_type = 'steps' WHERE number % 10 > 0"
_TRACKED = """
INSERT INTO tracked (number, process_id, tenant_id, name, template_id)
SELECT number, process_id, tenant_id,
  CASE WHEN number % 100 = 7 THEN 'audit of zürich ' WHEN number % 2 = 0 THEN 'invoice of order '
    ELSE 'ship order ' END || (number % 10000) || ' ' || substr(process_id, 25),
  CASE WHEN number % 3 = 0 THEN 'template-' || (number % 1000) WHEN number % 3 = 1
    THEN 'template-1' END
FROM process WHERE process_type = 'steps'"""
_MARKED = """
INSERT INTO metadata (tenant_id, subject, key, value, number, process_id)
SELECT tenant_id, 'process', 'env', CASE WHEN number % 7 = 0 THEN 'test' ELSE 'prod' END, number,
  process_id FROM process WHERE process_type = 'steps'
UNION ALL SELECT tenant_id, 'process', 'customer', '' || (number % 500), number, process_id
FROM process WHERE process_type = 'steps' AND number % 2 = 0"""

TEXT = """\
Milliseconds, of pages of 50 with their totals, by the store in this process, one after the other.
Nine of ten processes are tracked. Each page asks for a combination of filters drawn at random
(each is given with one chance in three: status, namespace, a part of the name, template, metadata,
oldest first); "deep" pages begin at an offset drawn at random up to 10,000, "very deep" ones up to
all there are, with no filter but status and namespace. A first round warms the caches; "p99" and
"worst" are of the second; "estimated" says how many totals were not exact."""


def tracked(options: Options) -> Table:
    rows = options.rows or (ROWS_QUICK if options.quick else ROWS)
    asked = ASKED_QUICK if options.quick else ASKED
    found = uvloop.run(_measured(f"sqlite:{options.folder}/tracked.db", rows, asked))
    with postgres() as store:
        found += uvloop.run(_measured(store.database(), rows, asked))
    return Table(f"Lists over {rows:,} tracked processes", TEXT, found)


async def _measured(address: str, rows: int, asked: int) -> list[Row]:
    name = "SQLite" if address.startswith("sqlite:") else "PostgreSQL"
    open_ = _sqlite if name == "SQLite" else _postgres
    async with open_(address, rows) as reader:
        return [
            await _row(f"{name}, {what}", act, asked) for what, act in _acts(reader, rows).items()
        ]


def _acts(reader: Connection, rows: int) -> dict[str, Callable[[Random], Awaitable[Listing]]]:
    async def first(random: Random) -> Listing:
        return await _page(reader, drawn(random), 0)

    async def deep(random: Random) -> Listing:
        return await _page(reader, drawn(random), random.randrange(10_000))

    async def very_deep(random: Random) -> Listing:
        wanted = drawn(random)._replace(search="", template_id="", metadata=())
        return await _page(reader, wanted, random.randrange(rows))

    return {"first page": first, "deep page": deep, "very deep page": very_deep}


async def _page(reader: Connection, wanted: Wanted, offset: int) -> Listing:
    async def pause() -> None:
        pass

    return await list_tracked(
        reader, 1, wanted, tracked_type=TRACKED, offset=offset, limit=LIMIT, pause=pause
    )


def drawn(random: Random) -> Wanted:
    """Each field is given with one chance in three."""
    given = {
        name: random.choice(words) for name, words in FIELDS.items() if random.random() < 1 / 3
    }
    return Wanted(**given)


async def _row(name: str, act: Callable[[Random], Awaitable[Listing]], asked: int) -> Row:
    took_ms: list[float] = []
    estimated = 0
    for _ in range(2):
        random, took_ms, estimated = Random(SEED), [], 0
        for _ in range(asked):
            began = time.perf_counter()
            estimated += not (await act(random)).counted.exact
            took_ms.append((time.perf_counter() - began) * 1e3)
    took_ms.sort()
    p99 = took_ms[int(len(took_ms) * 0.99)]
    notes = {
        "p99": f"{p99:.1f}",
        "worst": f"{took_ms[-1]:.1f}",
        "totals": f"{estimated} of {asked} estimated",
    }
    return Row(name, "ms", took_ms, notes)


@asynccontextmanager
async def _sqlite(address: str, rows: int) -> AsyncGenerator[Connection, None]:
    path = address.removeprefix("sqlite:")
    writing = SqliteConnection(path)
    await writing.begin()
    await population.populate(writing, "sqlite", rows, (_TYPES, _TRACKED, _MARKED))
    await writing.commit()
    reading = SqliteConnection(path, read_only=True)
    try:
        yield reading
    finally:
        reading.close()
        writing.close()


@asynccontextmanager
async def _postgres(address: str, rows: int) -> AsyncGenerator[Connection, None]:
    writing = await PostgresConnection.open(address)
    await population.populate(writing, "postgresql", rows, (_TYPES, _TRACKED, _MARKED))
    await writing.run_script("VACUUM ANALYZE")
    outage = Outage(clock.now_ms)
    reader = await PostgresReader.open(address, outage, direct=True)
    try:
        yield cast(Connection, reader)
    finally:
        await reader.close()
        await writing.close()
