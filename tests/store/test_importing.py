"""An import takes everything, verified, and closes what it leaves to whoever would still write."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from databases import NOW_MS
from imports import (
    PLACE,
    WatchedTarget,
    everything,
    imported,
    on_target,
    source_is_used,
    target_is_used,
)
from settable_engine import settable

from procession.core.errors import InstallationMoved, Overloaded
from procession.store import sqlite
from procession.store.importing import (
    ContentsDiffer,
    TargetNotEmpty,
    VersionsDiffer,
    import_installation,
)
from procession.store.leaving import DATABASES_OWN, Source
from procession.store.migrate import migrate
from procession.store.postgres import PostgresConnection
from procession.store.sqlite import SqliteConnection


def test_everything_arrives_and_only_the_new_place_is_used(old: Path, address: str) -> None:
    async def run() -> None:
        sums = await imported(old, address)
        here, there = await everything(old, address)
        assert here == there
        assert {table: one.rows for table, one in sums.items()} == {
            table: len(rows) for table, rows in here.items()
        }
        full = {"process", "item", "event", "token", "tenant", "agent", "phone", "account"}
        assert full < {table for table, rows in here.items() if rows}
        assert not await source_is_used(old)
        assert await target_is_used(address)

    asyncio.run(run())


def test_every_table_of_the_schema_is_moved_or_is_the_databases_own(old: Path) -> None:
    source = Source(str(old))
    tables = set(source.tables())
    found = source._db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
    names = {name for (name,) in found if not name.startswith("sqlite_")}
    source.close()
    shadows = {name for name in names if "_text" in name}
    assert tables | DATABASES_OWN | shadows == names | DATABASES_OWN
    assert not tables & DATABASES_OWN


def test_new_rows_are_numbered_after_those_that_came(old: Path, address: str) -> None:
    async def run() -> None:
        await imported(old, address)
        for table in ("process", "item", "tenant"):
            column = "tenant_id" if table == "tenant" else "number"
            ((last,),) = await on_target(address, f"SELECT max({column}) FROM {table}")
            ((after,),) = await on_target(
                address, f"SELECT nextval(pg_get_serial_sequence('{table}', '{column}'))"
            )
            assert after == last + 1

    asyncio.run(run())


def test_work_goes_on_in_the_new_place(old: Path, address: str) -> None:
    async def run() -> None:
        await imported(old, address)
        connection = await PostgresConnection.open(address)
        try:
            found = await connection.fetch("get_meta", name="importing")
            assert list(found) == []
            rows = await connection.fetch("due_items", now_ms=2**60, limit=10)
            assert rows
        finally:
            await connection.close()

    asyncio.run(run())


@pytest.mark.parametrize("verb", ["INSERT INTO {} DEFAULT VALUES", "DELETE FROM {}"])
def test_a_moved_file_refuses_every_write_of_whatever_program(
    old: Path, address: str, verb: str
) -> None:
    asyncio.run(imported(old, address))
    db = sqlite3.connect(old)
    try:
        for table in ("process", "token", "migration", "meta", "tenant"):
            with pytest.raises(sqlite3.IntegrityError, match="moved to postgresql://elsewhere"):
                db.execute(verb.format(table))
    finally:
        db.close()


def test_whoever_still_runs_on_a_moved_file_is_told_where_it_went(old: Path, address: str) -> None:
    async def run() -> None:
        late = SqliteConnection(str(old))
        async with settable(late) as site:
            site.random.seed(99)
            site.requests = 100
            before = await site.submit()
            await imported(old, address)
            with pytest.raises(InstallationMoved, match="moved to postgresql://elsewhere"):
                await site.submit()
            with pytest.raises(InstallationMoved):
                await site.cancel(before.process)
            with pytest.raises(InstallationMoved):
                await site.add_account("another")
        late.close()

    asyncio.run(run())


def test_a_target_with_anything_in_it_is_refused_and_the_source_stays_in_use(
    old: Path, address: str
) -> None:
    async def run() -> None:
        connection = await PostgresConnection.open(address)
        await migrate(connection, NOW_MS)
        await connection.close()
        await on_target(address, "INSERT INTO tenant (name, created_ms) VALUES ('x', 1)")
        with pytest.raises(TargetNotEmpty, match="tenant"):
            await imported(old, address)
        assert await source_is_used(old)

    asyncio.run(run())


def test_contents_that_differ_are_not_taken(old: Path, address: str) -> None:
    class Forgetful(WatchedTarget):
        async def copy(self, table: str, columns: list[str], rows: Iterator[Any]) -> None:
            await super().copy(table, columns, iter(list(rows)))
            if table == "event":
                await self.link.execute("UPDATE event SET at_ms = at_ms + 1 WHERE seq = 1")

    async def run() -> None:
        source, target = Source(str(old)), Forgetful(address)
        with pytest.raises(ContentsDiffer, match="event"):
            await import_installation(
                source,
                target,
                place=PLACE,
                import_id="x",
                now_ms=NOW_MS,
                progress=lambda table, rows, total: None,
            )
        source.close()
        await target.close()
        assert await source_is_used(old)
        assert not await target_is_used(address)

    asyncio.run(run())


def test_a_source_of_another_version_is_refused(old: Path, address: str, tmp_path: Path) -> None:
    db = sqlite3.connect(old)
    with db:
        db.execute("INSERT INTO migration VALUES ('9999_next', '', 1)")
    db.close()
    with pytest.raises(VersionsDiffer, match="9999_next"):
        asyncio.run(imported(old, address))
    sqlite3.connect(tmp_path / "foreign.db").close()
    with pytest.raises(VersionsDiffer):
        asyncio.run(imported(tmp_path / "foreign.db", address))


def test_a_batch_that_another_program_keeps_waiting_is_refused_at_once_and_whole(
    old: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "BUSY_MS_MAX", 300)

    async def run() -> None:
        late, holder = SqliteConnection(str(old)), SqliteConnection(str(old))
        async with settable(late) as site:
            site.random.seed(99)
            site.requests = 100
            await holder.begin()
            asked = [site.submit() for _ in range(20)]
            loop = asyncio.get_running_loop()
            begun_s = loop.time()
            outcomes = await asyncio.gather(*asked, return_exceptions=True)
            assert all(isinstance(one, Overloaded) for one in outcomes)
            assert loop.time() - begun_s < 5
            await holder.rollback()
            assert (await site.submit()).duplicate is False
        late.close()
        holder.close()

    asyncio.run(run())
