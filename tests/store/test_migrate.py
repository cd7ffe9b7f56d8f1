"""Migrations: each once, in order, all or none, never by an older program or under an older one."""

from __future__ import annotations

import asyncio

import asyncpg
import pytest
from databases import NOW_MS, Database

from procession.store import migrate as migrating
from procession.store.migrate import (
    SERVER_SILENT_MS,
    DatabaseNewer,
    Migration,
    MigrationUnmarked,
    OlderServersWork,
    Server,
    TablesInUse,
    migrate,
    plan_of,
    read_migration,
    read_migrations,
)
from procession.store.postgres import PostgresConnection

FIRST = Migration("CREATE TABLE one (a INTEGER)", "")
SECOND = Migration("ALTER TABLE one ADD COLUMN b INTEGER", "")
BREAKS = Migration("ALTER TABLE one RENAME COLUMN a TO z", "a is called z")
ONE = {"0001_one": FIRST}
TWO = ONE | {"0002_two": SECOND}
THREE = TWO | {"0003_three": BREAKS}


def server_of(known: dict[str, Migration], name: str = "web-1/4711") -> Server:
    return Server(name, "1.0", max(known), 0)


async def rows_of(database: Database, statement: str, **values: object) -> list[tuple[object, ...]]:
    async with database.empty() as connection:
        return [tuple(row) for row in await connection.fetch(statement, **values)]


def test_an_empty_database_gets_every_migration_and_an_up_to_date_one_none(
    database: Database,
) -> None:
    async def run() -> tuple[list[str], list[str]]:
        async with database.empty() as connection:
            first = await migrate(connection, NOW_MS)
            return first, await migrate(connection, NOW_MS + 1)

    first, second = asyncio.run(run())
    assert first == sorted(read_migrations())
    assert second == []


def test_migrations_run_in_the_order_of_their_names_and_only_the_new_ones(
    database: Database,
) -> None:
    async def run() -> list[list[str]]:
        async with database.empty() as connection:
            before = await migrate(connection, NOW_MS, known=ONE)
            both = {"0002_two": SECOND, "0001_one": FIRST}
            return [before, await migrate(connection, NOW_MS, known=both)]

    assert asyncio.run(run()) == [["0001_one"], ["0002_two"]]


def test_a_migration_that_fails_leaves_the_database_as_it_was(database: Database) -> None:
    async def run() -> list[str]:
        async with database.empty() as connection:
            bad = Migration("ALTER TABLE none ADD COLUMN b INTEGER", "")
            with pytest.raises(Exception, match="none"):
                await migrate(connection, NOW_MS, known=ONE | {"0002_two": bad})
            return await migrate(connection, NOW_MS, known=ONE)

    assert asyncio.run(run()) == ["0001_one"]


def test_what_is_planned_is_told_and_nothing_done(database: Database) -> None:
    async def run() -> None:
        async with database.empty() as connection:
            plan = await plan_of(connection, NOW_MS, TWO)
            assert [name for name, _ in plan.pending] == ["0001_one", "0002_two"]
            assert await migrate(connection, NOW_MS, known=TWO) == ["0001_one", "0002_two"]
            assert await plan_of(connection, NOW_MS, TWO) == ([], [])

    asyncio.run(run())


def test_a_compatible_migration_runs_under_older_servers_and_they_may_start_again(
    database: Database,
) -> None:
    async def run() -> None:
        async with database.empty() as connection:
            await migrate(connection, NOW_MS, known=ONE, server=server_of(ONE))
            assert await migrate(connection, NOW_MS, known=TWO) == ["0002_two"]
            assert await migrate(connection, NOW_MS, known=ONE, server=server_of(ONE)) == []

    asyncio.run(run())


def test_a_breaking_migration_waits_for_older_servers_and_names_them(database: Database) -> None:
    async def run() -> None:
        async with database.empty() as connection:
            await migrate(connection, NOW_MS, known=TWO, server=server_of(TWO))
            with pytest.raises(OlderServersWork, match=r"0003_three: a is called z.*web-1/4711"):
                await migrate(connection, NOW_MS + SERVER_SILENT_MS, known=THREE)
            assert (await plan_of(connection, NOW_MS, THREE)).broken[0].server_id == "web-1/4711"
            dead_ms = NOW_MS + SERVER_SILENT_MS + 1
            assert await migrate(connection, dead_ms, known=THREE) == ["0003_three"]

    asyncio.run(run())


def test_a_breaking_migration_runs_once_older_servers_have_ended(database: Database) -> None:
    async def run() -> None:
        async with database.empty() as connection:
            await migrate(connection, NOW_MS, known=TWO, server=server_of(TWO))
            await connection.begin()
            await connection.execute("drop_server", server_id="web-1/4711")
            await connection.commit()
            assert await migrate(connection, NOW_MS, known=THREE) == ["0003_three"]

    asyncio.run(run())


def test_refused_means_that_not_even_what_comes_before_was_applied(database: Database) -> None:
    async def run() -> None:
        async with database.empty() as connection:
            await migrate(connection, NOW_MS, known=ONE, server=server_of(ONE))
            with pytest.raises(OlderServersWork):
                await migrate(connection, NOW_MS, known=THREE)
        assert await rows_of(database, "list_migrations") == [("0001_one", "")]

    asyncio.run(run())


def test_a_server_that_knows_a_migration_is_not_in_its_way(database: Database) -> None:
    async def run() -> None:
        async with database.empty() as connection:
            await migrate(connection, NOW_MS, known=ONE, server=server_of(THREE))
            assert await migrate(connection, NOW_MS, known=THREE) == ["0002_two", "0003_three"]

    asyncio.run(run())


def test_a_database_of_a_newer_program_is_refused_and_left_alone(database: Database) -> None:
    async def run() -> None:
        async with database.empty() as connection:
            await migrate(connection, NOW_MS, known=THREE)
            with pytest.raises(DatabaseNewer, match="0003_three: a is called z"):
                await migrate(connection, NOW_MS, known=TWO, server=server_of(TWO))
        assert [row[0] for row in await rows_of(database, "list_migrations")] == sorted(THREE)
        assert await rows_of(database, "live_servers", since_ms=0) == []

    asyncio.run(run())


def test_servers_that_died_long_ago_are_forgotten(database: Database) -> None:
    async def run() -> None:
        async with database.empty() as connection:
            await migrate(connection, NOW_MS, known=ONE, server=server_of(ONE, "dead"))
            later_ms = NOW_MS + 90_000_000
            await migrate(connection, later_ms, known=ONE, server=server_of(ONE, "new"))
        rows = await rows_of(database, "live_servers", since_ms=0)
        assert [row[0] for row in rows] == ["new"]

    asyncio.run(run())


def test_a_migration_that_waits_for_a_table_lets_others_pass_and_is_done_in_the_end(
    address: str,
) -> None:
    waits = "SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype = 'relation'"

    async def run() -> None:
        connection = await PostgresConnection.open(address)
        holder, other = await asyncpg.connect(address), await asyncpg.connect(address)
        await migrate(connection, NOW_MS, known=ONE)
        async with holder.transaction():
            await holder.execute("SELECT * FROM one")
            waiting = asyncio.create_task(migrate(connection, NOW_MS, known=TWO))
            async with asyncio.timeout(30):
                while not await other.fetchval(waits):
                    await asyncio.sleep(0.01)
                # It stands behind the migration, which stands behind the one that does not end.
                await other.execute("INSERT INTO one VALUES (1)")
            assert not waiting.done()
        assert await waiting == ["0002_two"]
        for each in (connection, holder, other):
            await each.close()

    asyncio.run(run())


def test_a_table_that_is_never_given_free_is_told_of(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migrating, "TRIES_MAX", 1)

    async def run() -> None:
        connection, holder = await PostgresConnection.open(address), await asyncpg.connect(address)
        await migrate(connection, NOW_MS, known=ONE)
        async with holder.transaction():
            await holder.execute("SELECT * FROM one")
            with pytest.raises(TablesInUse, match="lock timeout"):
                await migrate(connection, NOW_MS, known=TWO)
        assert await migrate(connection, NOW_MS, known=TWO) == ["0002_two"]
        await connection.close()
        await holder.close()

    asyncio.run(run())


def test_every_migration_says_what_it_does_to_older_servers() -> None:
    assert read_migration("a", "-- breaks: a is called z\nSELECT 1").breaks == "a is called z"
    assert read_migration("a", "-- compatible\nSELECT 1").breaks == ""
    with pytest.raises(MigrationUnmarked, match="a"):
        read_migration("a", "-- the first\nSELECT 1")
    assert read_migrations()["0001_processes"].breaks == ""
