"""Migrations: each once, in order, all or none, and never by an older program."""

from __future__ import annotations

import asyncio
from importlib import resources

import pytest
from databases import NOW_MS, Database, migrated, raw

from procession.store import migrate as migrating
from procession.store.migrate import DatabaseNewer, migrate

FIRST = "CREATE TABLE one (a INTEGER)"
SECOND = "ALTER TABLE one ADD COLUMN b INTEGER"


def known_names() -> list[str]:
    folder = resources.files("procession.store").joinpath("migrations")
    return sorted(file.name.removesuffix(".sql") for file in folder.iterdir())


def test_an_empty_database_gets_every_migration_and_an_up_to_date_one_none(
    database: Database,
) -> None:
    async def run() -> tuple[list[str], list[str]]:
        async with database.empty() as connection:
            first = await migrate(connection, NOW_MS)
            return first, await migrate(connection, NOW_MS + 1)

    first, second = asyncio.run(run())
    assert first == known_names()
    assert second == []


def test_migrations_run_in_the_order_of_their_names_and_only_the_new_ones(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def run() -> list[list[str]]:
        async with database.empty() as connection:
            monkeypatch.setattr(migrating, "_migrations", lambda: {"0001_one": FIRST})
            before = await migrate(connection, NOW_MS)
            both = {"0002_two": SECOND, "0001_one": FIRST}
            monkeypatch.setattr(migrating, "_migrations", lambda: both)
            return [before, await migrate(connection, NOW_MS)]

    assert asyncio.run(run()) == [["0001_one"], ["0002_two"]]


def test_a_migration_that_fails_leaves_the_database_as_it_was(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def run() -> list[str]:
        async with database.empty() as connection:
            broken = {"0001_one": FIRST, "0002_two": "ALTER TABLE none ADD COLUMN b INTEGER"}
            monkeypatch.setattr(migrating, "_migrations", lambda: broken)
            with pytest.raises(Exception, match="none"):
                await migrate(connection, NOW_MS)
            monkeypatch.setattr(migrating, "_migrations", lambda: {"0001_one": FIRST})
            return await migrate(connection, NOW_MS)

    assert asyncio.run(run()) == ["0001_one"]


def test_a_database_of_a_newer_program_is_refused_and_left_alone(database: Database) -> None:
    async def run() -> None:
        async with migrated(database) as store:
            await raw(store, "INSERT INTO migration (name, applied_ms) VALUES ('9999_next', 1)")
            connection = store.connection
            with pytest.raises(DatabaseNewer, match="9999_next"):
                await migrate(connection, NOW_MS)  # type: ignore[arg-type]
            found = await connection.fetch("list_migrations")
            assert sorted(row[0] for row in found) == [*known_names(), "9999_next"]

    asyncio.run(run())
