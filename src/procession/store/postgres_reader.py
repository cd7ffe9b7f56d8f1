"""Reads from PostgreSQL, over a few connections beside the writer's."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import asyncpg

from procession.store.bulk_text import bulk_text
from procession.store.connection import Row
from procession.store.link import LOST, Link, away, options
from procession.store.outage import Outage
from procession.store.postgres import DIALECT, bound
from procession.store.statements import Statement, read_statements

READERS_MAX = 8
READ_S_MAX = 15.0


class PostgresReader:
    """A pool, since one connection carries one statement at a time."""

    def __init__(self, pool: asyncpg.Pool[Any], outage: Outage, *, direct: bool) -> None:
        self._pool = pool
        self._outage = outage
        self._direct = direct
        self._statements = read_statements(DIALECT)
        self._each: dict[str, str] = {}

    @classmethod
    async def open(cls, address: str, outage: Outage, *, direct: bool) -> PostgresReader:
        """`direct`: no pooler between. Raises one of LOST, or asyncpg.PostgresError."""
        pool = await asyncpg.create_pool(
            address,
            min_size=1,
            max_size=READERS_MAX,
            init=Link.be_watched if direct else None,
            **options(direct=direct),
        )
        return cls(pool, outage, direct=direct)

    async def fetch(self, name: str, /, **values: Any) -> list[Row]:
        """Raises Overloaded when the database is away."""
        text, parameters = bound(self._statements[name], values)
        return await self._read(lambda link: link.fetch(text, *parameters))

    async def fetch_each(self, name: str, /, rows: Iterable[Row]) -> list[Row]:
        """Raises Overloaded when the database is away."""
        columns = list(zip(*rows, strict=True))
        if not columns:
            return []
        statement = self._statements[name]
        assert isinstance(statement, Statement), name

        async def read(link: Link) -> list[Row]:
            text = self._each.get(name)
            if text is None:
                prepared = await link.prepare(statement.text)
                types = [each.name for each in prepared.get_parameters()]
                text = self._each[name] = bulk_text(statement, types)
            found: list[Row] = await link.fetch(text, *columns)
            return found

        return await self._read(read)

    async def _read(self, act: Callable[[Link], Awaitable[list[Row]]]) -> list[Row]:
        begun_ms = self._outage.now_ms()
        try:
            async with asyncio.timeout(READ_S_MAX):
                try:
                    return await self._on_link(act)
                except LOST:
                    # Perhaps an old connection, lost since it was last used: reading again is free.
                    return await self._on_link(act)
        except LOST as error:
            self._outage.failed(begun_ms)
            raise away(error) from error

    async def close(self) -> None:
        """Nobody waits for an answer any more."""
        self._pool.terminate()

    async def _on_link(self, act: Callable[[Link], Awaitable[list[Row]]]) -> list[Row]:
        async with self._pool.acquire() as link:
            if self._direct:
                return list(await act(link))
            async with link.transaction(readonly=True):
                return list(await act(link))
