"""The databases the store's suite runs over: how each is opened, and what it raises on refusal."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Protocol

import asyncpg

from procession.store.migrate import Scripted, migrate
from procession.store.postgres import PostgresConnection
from procession.store.sqlite import SqliteConnection
from procession.store.store import Store

NOW_MS = 1_700_000_000_000


class Database(Protocol):
    """One empty database for one test."""

    refusals: tuple[type[Exception], ...]
    """What a statement raises that breaks a constraint."""

    def empty(self) -> AbstractAsyncContextManager[Scripted]:
        """A connection to it before any migration; again the same database when used again."""
        ...


class SqliteDatabase:
    """A file of its own."""

    def __init__(self, folder: Path) -> None:
        import sqlite3

        self.refusals = (sqlite3.IntegrityError,)
        self._path = str(folder / "store.db")

    @asynccontextmanager
    async def empty(self) -> AsyncIterator[Scripted]:
        connection = SqliteConnection(self._path)
        try:
            yield connection
        finally:
            connection.close()


class PostgresDatabase:
    """A database of its own on the tests' server."""

    refusals: tuple[type[Exception], ...] = (asyncpg.IntegrityConstraintViolationError,)

    def __init__(self, address: str) -> None:
        self._address = address

    @asynccontextmanager
    async def empty(self) -> AsyncIterator[Scripted]:
        connection = await PostgresConnection.open(self._address)
        try:
            yield connection
        finally:
            await connection.close()


@asynccontextmanager
async def migrated(database: Database) -> AsyncIterator[Store]:
    """A store on a migrated database."""
    async with database.empty() as connection:
        await migrate(connection, NOW_MS)
        yield Store(connection)


async def raw(store: Store, text: str) -> None:
    """Run SQL that no statement of ours would run."""
    connection = store.connection
    assert hasattr(connection, "run_script")
    await connection.run_script(text)
