"""Imports that break off where they are told to, and what is in use afterwards."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import asyncpg
from databases import NOW_MS
from settable_engine import Site, settable

from procession import tokens
from procession.store.arriving import Target
from procession.store.checksum import Sum
from procession.store.importing import import_installation
from procession.store.leaving import Source
from procession.store.ledger import ended
from procession.store.migrate import DatabaseRefused, migrate
from procession.store.postgres import PostgresConnection
from procession.store.sqlite import SqliteConnection
from procession.targets import Target as Wanted

PLACE = "postgresql://elsewhere/procession"
_names = count()


class Planted(Exception):
    """What a fault raises."""


class Fault:
    """Raises when the named point is passed for the nth time: `point` or `point, again`."""

    def __init__(self, where: str = "") -> None:
        self._point, _, again = where.partition(", ")
        self._left = 2 if again else 1

    def __call__(self, point: str) -> None:
        self._left -= point == self._point
        if self._left == 0:
            raise Planted(point)


class WatchedSource(Source):
    fault: Callable[[str], None] = staticmethod(Fault())

    async def execute(self, name: str, /, **values: Any) -> int:
        self.fault(f"source: {name}")
        return await super().execute(name, **values)

    def refuse_writes(self, why: str) -> None:
        super().refuse_writes(why)
        self.fault("source: refuses writes")

    async def commit(self) -> None:
        self.fault("source: commits")
        await super().commit()
        self.fault("source: committed")


class WatchedTarget(Target):
    fault: Callable[[str], None] = staticmethod(Fault())

    async def begin(self) -> None:
        self.fault("target: begins")
        await super().begin()

    async def execute(self, name: str, /, **values: Any) -> int:
        self.fault(f"target: {name}")
        return await super().execute(name, **values)

    async def copy(self, table: str, columns: list[str], rows: Iterator[Any]) -> None:
        await super().copy(table, columns, rows)
        self.fault(f"target: copied {table}")

    async def sum(self, table: str, columns: list[str], told: Callable[[int], None]) -> Sum:
        self.fault(f"target: sums {table}")
        return await super().sum(table, columns, told)

    async def commit(self) -> None:
        self.fault("target: commits")
        await super().commit()
        self.fault("target: committed")

    async def analyze(self) -> None:
        self.fault("target: analyzes")


async def imported(old: Path, address: str, fault: Fault | None = None) -> dict[str, Sum]:
    source, target = WatchedSource(str(old)), WatchedTarget(address)
    source.fault = target.fault = fault or Fault()  # type: ignore[assignment]
    try:
        return await import_installation(
            source,
            target,
            place=PLACE,
            import_id=f"import {next(_names)}",
            now_ms=NOW_MS,
            progress=lambda table, rows, total: None,
        )
    finally:
        source.close()
        await target.close()


async def source_is_used(old: Path) -> bool:
    """Whether a server could start on it."""
    connection = SqliteConnection(str(old))
    try:
        await migrate(connection, NOW_MS)
    except DatabaseRefused:
        return False
    finally:
        connection.close()
    return True


async def target_is_used(address: str) -> bool:
    """Whether a server could start on it, and would find anything."""
    connection = await PostgresConnection.open(address)
    try:
        await migrate(connection, NOW_MS)
        return bool(await connection.fetch("list_tokens"))
    except DatabaseRefused:
        return False
    finally:
        await connection.close()


async def on_target(address: str, text: str) -> list[Any]:
    connection = await asyncpg.connect(address)
    try:
        return [tuple(row) for row in await connection.fetch(text)]
    finally:
        await connection.close()


async def everything(old: Path, address: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """All rows of both, by table."""
    source = Source(str(old))
    tables = {table: ", ".join(source.columns(table)) for table in source.tables()}
    here = {table: sorted(map(tuple, source.rows(table)), key=repr) for table in tables}
    source.close()
    there = {
        table: sorted(await on_target(address, f"SELECT {names} FROM {table}"), key=repr)
        for table, names in tables.items()
    }
    return here, there


def make_installation(file: Path) -> None:
    """A file with something in most tables."""
    connection = SqliteConnection(str(file))
    ended(migrate(connection, NOW_MS))

    async def fill() -> None:
        async with settable(connection) as site:
            await site.engine.ledger.errand(
                lambda turn: tokens.create_token(
                    turn, token="t" * 40, token_id="one", name="n", scopes=["worker"]
                )
            )
            await _work(site)

    asyncio.run(fill())
    connection.close()


async def _work(site: Site) -> None:
    await site.register("agent", "phone-ä", "phone-2")
    await site.add_account("account", phone_id="phone-2")
    for outcome in ("completed", "failed"):
        process = (await site.submit(inputs='{"message":"größer ☃ \\u0000"}')).process
        run = await site.run_of(process, "agent", "phone-ä")
        await site.beat("agent", run, percent=12.5)
        await site.finish("agent", run, outcome, output="two\nlines\t☃")
    await site.submit(Wanted("group", phone_ids=("phone-ä", "phone-2")))
    await site.claim("agent", "phone-2")
