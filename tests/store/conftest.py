"""Every test of the store runs over every database."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest
from databases import Database, PostgresDatabase, SqliteDatabase
from imports import make_installation
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


@pytest.fixture(scope="session")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with something in most tables, to be copied."""
    file = tmp_path_factory.mktemp("installation") / "old.db"
    make_installation(file)
    return file


@pytest.fixture
def old(installation: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(installation, tmp_path / "old.db"))


@pytest.fixture
def address(postgres: PostgresServer) -> str:
    """Of an empty database."""
    return postgres.address(f"store_{next(_names)}")
