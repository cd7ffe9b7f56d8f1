"""Ways of writing the rows of a batch of submissions to PostgreSQL, the raw driver alone."""

from __future__ import annotations

import re
import time
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import Any, cast

import asyncpg
import uvloop

from bench.ledger import submission
from bench.options import Options, Row, Table
from bench.peers.stores import postgres
from procession import clock
from procession.store import rows
from procession.store.bulk_text import bulk_text
from procession.store.connection import Connection, Write
from procession.store.ledger import BATCH_MAX
from procession.store.migrate import migrate
from procession.store.postgres import DIALECT, PostgresConnection
from procession.store.statements import Statement, read_statements
from procession.store.store import Store

COUNT, COUNT_QUICK = 10_000, 512
STATEMENTS = ("insert_process", "insert_item", "insert_event")
TABLES = ("process", "item", "event")
_COLUMNS = re.compile(r"\(([^)]*)\)\s*VALUES", re.DOTALL)

Batch = dict[str, list[tuple[Any, ...]]]
"""The rows of some submissions, by the statement that writes them."""

TEXT = f"""\
The rows of submissions (a process, an item, two events each), {BATCH_MAX} submissions a
transaction with all indexes, fsync and synchronous_commit on; rows are made beforehand."""


def bulk_writing(options: Options) -> Table:
    """Every way once a round, in turn."""
    values: dict[str, list[float]] = {}
    with postgres() as store:
        for _ in range(options.rounds):
            for name, way in WAYS.items():
                per_s = written(store.database(), way, COUNT_QUICK if options.quick else COUNT)
                values.setdefault(name, []).append(per_s)
    return Table("Bulk writing", TEXT, [Row(name, "/s", each) for name, each in values.items()])


def written(address: str, way: Way, count: int) -> float:
    """Submissions a second."""
    return uvloop.run(_written(address, way, count))


class Way(ABC):
    """One way of writing; `prepare` learns what it needs from the server."""

    async def prepare(self, connection: asyncpg.Connection[Any]) -> None:
        statements = read_statements(DIALECT)
        self.texts: dict[str, str] = {}
        self.bulk: dict[str, str] = {}
        for name in STATEMENTS:
            statement = statements[name]
            assert isinstance(statement, Statement)
            prepared = await connection.prepare(statement.text)
            types = [each.name for each in prepared.get_parameters()]
            self.texts[name] = statement.text
            self.bulk[name] = bulk_text(statement, types)

    @abstractmethod
    async def write(
        self, connection: asyncpg.Connection[Any], name: str, batch: list[tuple[Any, ...]]
    ) -> None: ...


class Unnest(Way):
    async def write(
        self, connection: asyncpg.Connection[Any], name: str, batch: list[tuple[Any, ...]]
    ) -> None:
        await connection.execute(self.bulk[name], *zip(*batch, strict=True))


class ExecuteMany(Way):
    async def write(
        self, connection: asyncpg.Connection[Any], name: str, batch: list[tuple[Any, ...]]
    ) -> None:
        await connection.executemany(self.texts[name], batch)


class Copy(Way):
    """It knows no ON CONFLICT, so that a repeated request would need another way."""

    async def write(
        self, connection: asyncpg.Connection[Any], name: str, batch: list[tuple[Any, ...]]
    ) -> None:
        found = _COLUMNS.search(self.texts[name])
        assert found is not None
        columns = [column.strip() for column in found[1].split(",")]
        table = TABLES[STATEMENTS.index(name)]
        await connection.copy_records_to_table(table, records=batch, columns=columns)


WAYS: dict[str, Way] = {"unnest": Unnest(), "executemany": ExecuteMany(), "COPY": Copy()}


async def _written(address: str, way: Way, count: int) -> float:
    connection = await migrated(address)
    batches = await batches_of(count)
    await way.prepare(connection)
    began = time.perf_counter()
    for batch in batches:
        async with connection.transaction():
            for name in STATEMENTS:
                await way.write(connection, name, batch[name])
    took = time.perf_counter() - began
    await connection.close()
    return count / took


async def migrated(address: str) -> asyncpg.Connection[Any]:
    """A plain connection to a database that has our tables."""
    making = await PostgresConnection.open(address)
    await migrate(making, clock.now_ms())
    await making.close()
    return await asyncpg.connect(address)


async def batches_of(count: int) -> list[Batch]:
    """The rows of as many submissions as the store writes them, in turns' batches."""
    sizes = [min(BATCH_MAX, count - start) for start in range(0, count, BATCH_MAX)]
    return [await rows_of(size) for size in sizes]


async def rows_of(count: int) -> Batch:
    kept = Kept()
    store = Store(cast(Connection, kept))
    now_ms = clock.now_ms()
    changes = [change for _ in range(count) for change in submission()[1](now_ms)]
    texts = [(event, rows.text_of(event.standing)) for change in changes for event in change.events]
    planned = [change for change in changes if change.items]
    standings = [rows.text_of(change.events[-1].standing) for change in planned]
    processes = [change.process for change in planned]
    await store.insert_processes(list(zip(processes, standings, strict=True)))
    items = await store.item_rows(item for change in planned for item in change.items)
    events = [rows.event_row(event, text) for event, text in texts]
    await store.write([("insert_item", items), ("insert_event", events)])
    return kept.batch


class Kept:
    """In the place of a connection: keeps what would be written."""

    def __init__(self) -> None:
        self.batch: Batch = {}

    async def execute_many(self, name: str, /, rows: Iterable[Sequence[Any]]) -> int:
        self.batch[name] = [tuple(row) for row in rows]
        return len(self.batch[name])

    async def execute_together(self, writes: Sequence[Write]) -> list[int]:
        return [await self.execute_many(name, rows) for name, rows in writes]
