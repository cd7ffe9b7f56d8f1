"""SQLite: open, begin, what a conflict is, and its two words of dialect."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, cast

import structlog

from procession.core.errors import InstallationMoved, Overloaded
from procession.store.connection import Row, Topic, Write
from procession.store.statements import (
    Choice,
    Dialect,
    Statement,
    read_statements,
    script_for,
)

DIALECT = Dialect(
    placeholder="?{n}",
    each="IN (SELECT value FROM json_each({p}))",
    none="NOT IN (SELECT value FROM json_each({p}))",
    for_update="",
    skip_locked="",
)
# Binding None, sqlite3 first looks for an adapter, which costs five times the binding itself; this
# one, in C, answers None at once.
sqlite3.register_adapter(type(None), cast("Callable[[None], None]", {}.get))
BUSY_MS_MAX = 10_000
WAL_RETRY_MS = 20
PRIMARY_CODE = 0xFF
"""What an extended error code is a case of."""
STATEMENTS_MAX = 256
UNWRITABLE = {
    sqlite3.SQLITE_FULL: "the database's disk is full; try again when there is space",
    sqlite3.SQLITE_IOERR: "the database's disk fails; try again later",
    sqlite3.SQLITE_READONLY: "the database's disk can only be read; try again later",
    sqlite3.SQLITE_CANTOPEN: "the database's folder cannot be written; try again later",
}
"""What is wrong with the place of the database, not with the work."""

_log = structlog.get_logger(__name__)


class SqliteConnection:
    """A connection whose methods are coroutines that end at their first step."""

    def __init__(self, path: str, *, read_only: bool = False) -> None:
        self._db = open_database(path, read_only=read_only)
        self._statements = read_statements(DIALECT)

    async def fetch(self, name: str, /, **values: Any) -> list[Row]:
        text, parameters = self._bound(name, values)
        return self._db.execute(text, parameters).fetchall()

    async def fetch_each(self, name: str, /, rows: Iterable[Row]) -> list[Row]:
        statement = self._statements[name]
        assert isinstance(statement, Statement), name
        return [
            (place, *found)
            for place, row in enumerate(rows, 1)
            for found in self._db.execute(statement.text, row)
        ]

    async def execute(self, name: str, /, **values: Any) -> int:
        text, parameters = self._bound(name, values)
        try:
            return self._db.execute(text, parameters).rowcount
        except sqlite3.IntegrityError as error:
            raise _told(error) from None

    async def execute_many(self, name: str, /, rows: Iterable[Row]) -> int:
        statement = self._statements[name]
        assert isinstance(statement, Statement), name
        try:
            return self._db.executemany(statement.text, rows).rowcount
        except sqlite3.IntegrityError as error:
            raise _told(error) from None

    async def execute_together(self, writes: Sequence[Write]) -> list[int]:
        return [await self.execute_many(name, rows) for name, rows in writes]

    async def run_script(self, text: str) -> None:
        """Run the statements of a migration inside the transaction that is open."""
        for statement in script_for("sqlite", text):
            self._db.execute(statement)

    async def lock_migrations(self) -> None:
        """A transaction that writes is alone already."""

    async def begin(self) -> None:
        """Raises Overloaded when another program holds the file for longer than BUSY_MS_MAX."""
        try:
            self._db.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & PRIMARY_CODE != sqlite3.SQLITE_BUSY:
                raise
            raise Overloaded("another program holds the database; try again") from None

    async def announce(self, topics: Iterable[Topic]) -> None:
        """Nobody else serves this database."""

    async def commit(self) -> None:
        self._db.execute("COMMIT")

    async def rollback(self) -> None:
        if self._db.in_transaction:
            self._db.execute("ROLLBACK")

    def close(self) -> None:
        self._db.close()

    def _bound(self, name: str, values: dict[str, Any]) -> tuple[str, list[Any]]:
        statement = self._statements[name]
        if isinstance(statement, Choice):
            statement = statement.given(values)
        return statement.text, [
            json.dumps(value) if isinstance(value, list) else value
            for value in map(values.__getitem__, statement.parameters)
        ]


def _told(error: sqlite3.IntegrityError) -> Exception:
    """Only the triggers of a database that was moved refuse a row by themselves."""
    if error.sqlite_errorcode == sqlite3.SQLITE_CONSTRAINT_TRIGGER:
        return InstallationMoved(str(error))
    return error


def as_refused(outcome: Any) -> Any:
    """What a caller is told: that the disk is full, or fails, is said as a refusal."""
    if not isinstance(outcome, sqlite3.OperationalError):
        return outcome
    code = getattr(outcome, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & PRIMARY_CODE
    if code not in UNWRITABLE:
        return outcome
    _log.error("not_written", error=str(outcome))
    return Overloaded(UNWRITABLE[code])


def open_database(path: str, *, read_only: bool = False) -> sqlite3.Connection:
    """A connection that waits for locks, writes ahead and syncs every commit to disk."""
    if path != ":memory:" and not read_only:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
    db = sqlite3.connect(
        path,
        isolation_level=None,
        check_same_thread=False,
        cached_statements=STATEMENTS_MAX,
        timeout=BUSY_MS_MAX / 1000,
    )
    _use_wal(db)
    db.execute("PRAGMA synchronous=FULL")
    if read_only:
        db.execute("PRAGMA query_only=ON")
    return db


def _use_wal(db: sqlite3.Connection) -> None:
    """For this one statement SQLite does not wait while others open the same new file."""
    for left_ms in range(BUSY_MS_MAX, -1, -WAL_RETRY_MS):
        try:
            db.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & PRIMARY_CODE != sqlite3.SQLITE_BUSY or not left_ms:
                raise
        time.sleep(WAL_RETRY_MS / 1_000)
