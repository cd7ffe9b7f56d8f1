"""An upgrade while servers of the version before run: real ones, migrations of one to be."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from free_port import free_port
from live_installation import serve, submit
from postgres_server import PostgresServer
from run_program import run

from procession.store.migrate import (
    SERVER_SILENT_MS,
    DatabaseRefused,
    Migration,
    OlderServersWork,
    Scripted,
    migrate,
    plan_of,
    read_migrations,
)
from procession.store.postgres import PostgresConnection
from procession.store.sqlite import SqliteConnection

NEXT = "9999_next"
COMPATIBLE = {NEXT: Migration("ALTER TABLE audit ADD COLUMN reason TEXT", "")}
BREAKS = {NEXT: Migration("ALTER TABLE audit RENAME COLUMN subject TO object", "subject is object")}


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgresServer]:
    server = PostgresServer()
    yield server
    server.stop()


@pytest.fixture(params=["postgresql", "sqlite"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'procession.db'}"
    server: PostgresServer = request.getfixturevalue("postgres")
    return server.address(tmp_path.name)


def upgraded(database: str, next_version: dict[str, Migration], later_ms: int = 0) -> list[str]:
    """What a program of the version to be applies at its start, `later_ms` from now."""

    async def run() -> list[str]:
        connection: Scripted
        if database.startswith("sqlite"):
            connection = file = SqliteConnection(database.removeprefix("sqlite:///"))
        else:
            connection = await PostgresConnection.open(database)
        try:
            known, now_ms = read_migrations() | next_version, time.time_ns() // 1_000_000
            assert [name for name, _ in (await plan_of(connection, now_ms, known)).pending]
            return await migrate(connection, now_ms + later_ms, known=known)
        finally:
            if isinstance(connection, PostgresConnection):
                await connection.close()
            else:
                file.close()

    return asyncio.run(run())


def test_an_older_server_runs_on_and_starts_again_beside_a_compatible_migration(
    tmp_path: Path, database: str
) -> None:
    port = free_port()
    with closing(serve(tmp_path, "older", database, port)) as server:
        assert submit(port, "before")[0] == 202
        assert upgraded(database, COMPATIBLE) == [NEXT]
        assert submit(port, "after")[0] == 202
        assert server.end() == 0
    with closing(serve(tmp_path, "again", database, port)) as server:
        assert submit(port, "after")[0] == 200
        assert server.end() == 0


def test_a_breaking_migration_waits_for_an_older_server_and_then_shuts_it_out(
    tmp_path: Path, database: str
) -> None:
    port = free_port()
    with closing(serve(tmp_path, "older", database, port)) as server:
        with pytest.raises(OlderServersWork, match=rf"subject is object.*/{server.child.pid}-"):
            upgraded(database, BREAKS)
        assert submit(port, "before")[0] == 202
        assert server.end() == 0
    assert upgraded(database, BREAKS) == [NEXT]
    late = run("serve", "--database", database, "--port", "0")
    assert late.status == 1
    assert "subject is object" in late.complaint
    with pytest.raises(DatabaseRefused):
        upgraded(database, {"9998_other": COMPATIBLE[NEXT]})


def test_a_server_taken_for_dead_ends_when_it_finds_what_it_cannot_work_with(
    tmp_path: Path,
) -> None:
    database = f"sqlite:///{tmp_path / 'procession.db'}"
    with closing(serve(tmp_path, "older", database, free_port())) as server:
        assert upgraded(database, BREAKS, later_ms=SERVER_SILENT_MS + 1_000) == [NEXT]
        assert server.child.wait(30) == 1
        assert "subject is object" in server.log.read_text().splitlines()[-1]
