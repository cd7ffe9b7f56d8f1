"""Every test of the store runs over every database."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest
from databases import Database, PostgresDatabase, SqliteDatabase
from postgres_server import PostgresServer

_names = count()


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    server = PostgresServer()
    yield server
    server.stop()


@pytest.fixture(params=["postgresql", "sqlite"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Database:
    if request.param == "sqlite":
        return SqliteDatabase(tmp_path)
    server: PostgresServer = request.getfixturevalue("postgres")
    return PostgresDatabase(server.address(f"store_{next(_names)}"))
