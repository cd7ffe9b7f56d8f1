"""Pages and totals over millions of processes: any filters together, first pages and deep ones."""

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
from procession.store.connection import Connection
from procession.store.lists import LATEST, Filter, count_processes, page_processes
from procession.store.outage import Outage
from procession.store.postgres import PostgresConnection
from procession.store.postgres_reader import PostgresReader
from procession.store.sqlite import SqliteConnection

ROWS, ROWS_QUICK = 5_000_000, 20_000
ASKED, ASKED_QUICK = 500, 40
LIMIT = 50
SEED = 1
FIELDS: dict[str, list[Any]] = {
    "states": [("failed",), ("completed",), ("running", "cancelling"), ("waiting",), ("queued",)],
    "process_type": ["echo", "keyword_warmup", "post_video", "yearly_audit", "none"],
    "phone_id": ["phone_7", "phone_77", "phone_333", "phone_none"],
    "account_id": ["account_12", "account_1234", "account_none"],
    "namespace": ["default", "team.south", "rare", "none"],
    "search": ["daily", "2faf0", "account_1234", "audit", "no such thing", "7_"],
}

TEXT = """\
Milliseconds, of pages of 50 and of totals, by the store in this process, one after the other.
Each asks for a combination of filters drawn at random (each field is given with one chance in
three: states, type, phone, account, namespace, substring search); "deep" pages begin at a number
drawn at random. "short" pages found fewer than 50 among the rows they may look at and say where
to go on. A first round warms the caches; "p99" and "worst" are of the second."""


def lists(options: Options) -> Table:
    rows = options.rows or (ROWS_QUICK if options.quick else ROWS)
    asked = ASKED_QUICK if options.quick else ASKED
    found = uvloop.run(_measured(f"sqlite:{options.folder}/lists.db", rows, asked))
    with postgres() as store:
        found += uvloop.run(_measured(store.database(), rows, asked))
    return Table(f"Lists over {rows:,} processes", TEXT, found)


async def _measured(address: str, rows: int, asked: int) -> list[Row]:
    name = "SQLite" if address.startswith("sqlite:") else "PostgreSQL"
    open_ = _sqlite if name == "SQLite" else _postgres
    result = []
    async with open_(address, rows) as reader:
        for what, act in _acts(reader, rows).items():
            result.append(await _row(f"{name}, {what}", act, asked))
    return result


def _acts(reader: Connection, rows: int) -> dict[str, Callable[[Random], Awaitable[bool]]]:
    async def first(random: Random) -> bool:
        page = await page_processes(reader, 1, drawn(random), LATEST, LIMIT)
        return len(page.processes) < LIMIT and page.below is not None

    async def deep(random: Random) -> bool:
        below = random.randrange(1, rows)
        page = await page_processes(reader, 1, drawn(random), below, LIMIT)
        return len(page.processes) < LIMIT and page.below is not None

    async def total(random: Random) -> bool:
        return not (await count_processes(reader, 1, drawn(random))).exact

    return {"first page": first, "deep page": deep, "total": total}


def drawn(random: Random) -> Filter:
    """Each field is given with one chance in three."""
    given = {
        name: random.choice(words) for name, words in FIELDS.items() if random.random() < 1 / 3
    }
    return Filter(**given)


async def _row(name: str, act: Callable[[Random], Awaitable[bool]], asked: int) -> Row:
    took_ms: list[float] = []
    partial = 0
    for _ in range(2):
        random, took_ms, partial = Random(SEED), [], 0
        for _ in range(asked):
            began = time.perf_counter()
            partial += await act(random)
            took_ms.append((time.perf_counter() - began) * 1e3)
    took_ms.sort()
    p99 = took_ms[int(len(took_ms) * 0.99)]
    word = "estimated" if name.endswith("total") else "short"
    notes = {"p99": f"{p99:.1f}", "worst": f"{took_ms[-1]:.1f}", "not whole": f"{partial} {word}"}
    return Row(name, "ms", took_ms, notes)


@asynccontextmanager
async def _sqlite(address: str, rows: int) -> AsyncGenerator[Connection, None]:
    path = address.removeprefix("sqlite:")
    writing = SqliteConnection(path)
    await writing.begin()
    await population.populate(writing, "sqlite", rows)
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
    await population.populate(writing, "postgresql", rows)
    await writing.run_script("VACUUM ANALYZE")
    outage = Outage(clock.now_ms)
    reader = await PostgresReader.open(address, outage, direct=True)
    try:
        yield cast(Connection, reader)
    finally:
        await reader.close()
        await writing.close()
