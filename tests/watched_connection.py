"""A connection that counts what goes through it and can be told to break."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from procession.store.connection import Connection, Row, Topic, Write

Before = Callable[[str], None]
"""Told the name of every statement before it runs, or begin, commit, rollback; may raise."""


class WatchedConnection:
    """Every call passes `before`; statements and rows are counted by name."""

    def __init__(self, inner: Connection, before: Before = lambda _: None) -> None:
        self.inner = inner
        self.before = before
        self.after_commit: Callable[[], None] = lambda: None
        self.statements: Counter[str] = Counter()
        self.rows: Counter[str] = Counter()

    def forget(self) -> None:
        self.statements.clear()
        self.rows.clear()

    async def fetch(self, name: str, /, **values: Any) -> list[Row]:
        self._note(name)
        found = await self.inner.fetch(name, **values)
        self.rows[name] += len(found)
        return found

    async def fetch_each(self, name: str, /, rows: Iterable[Row]) -> list[Row]:
        self._note(name)
        found = await self.inner.fetch_each(name, rows)
        self.rows[name] += len(found)
        return found

    async def execute(self, name: str, /, **values: Any) -> int:
        self._note(name)
        touched = await self.inner.execute(name, **values)
        self.rows[name] += max(touched, 0)
        return touched

    async def execute_many(self, name: str, /, rows: Iterable[Row]) -> int:
        self._note(name)
        wanted = list(rows)
        self.rows[name] += len(wanted)
        return await self.inner.execute_many(name, wanted)

    async def execute_together(self, writes: Sequence[Write]) -> list[int]:
        """One after the other, so that any of them can be the one that breaks."""
        return [await self.execute_many(name, rows) for name, rows in writes]

    async def begin(self) -> None:
        self._note("begin")
        await self.inner.begin()

    async def announce(self, topics: Iterable[Topic]) -> None:
        await self.inner.announce(topics)

    async def commit(self) -> None:
        self._note("commit")
        await self.inner.commit()
        self.after_commit()

    async def rollback(self) -> None:
        self._note("rollback")
        await self.inner.rollback()

    def _note(self, name: str) -> None:
        self.statements[name] += 1
        self.before(name)
