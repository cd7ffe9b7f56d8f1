"""Reads from PostgreSQL, over a few connections beside the writer's."""

from __future__ import annotations

import asyncio
from typing import Any

import asyncpg

from procession.store.connection import Row
from procession.store.link import LOST, away, options
from procession.store.postgres import DIALECT, bound
from procession.store.statements import read_statements

READERS_MAX = 8
READ_S_MAX = 15.0


class PostgresReader:
    """A pool, since one connection carries one statement at a time."""

    def __init__(self, pool: asyncpg.Pool[Any], *, direct: bool) -> None:
        self._pool = pool
        self._direct = direct
        self._statements = read_statements(DIALECT)

    @classmethod
    async def open(cls, address: str, *, direct: bool) -> PostgresReader:
        """`direct`: no pooler between. Raises one of LOST, or asyncpg.PostgresError."""
        pool = await asyncpg.create_pool(
            address, min_size=1, max_size=READERS_MAX, **options(direct=direct)
        )
        return cls(pool, direct=direct)

    async def fetch(self, name: str, /, **values: Any) -> list[Row]:
        """Raises Overloaded when the database is away."""
        text, parameters = bound(self._statements[name], values)
        try:
            async with asyncio.timeout(READ_S_MAX):
                try:
                    return await self._fetch(text, parameters)
                except LOST:
                    # Perhaps an old connection, lost since it was last used: reading again is free.
                    return await self._fetch(text, parameters)
        except LOST as error:
            raise away(error) from error

    async def close(self) -> None:
        """Nobody waits for an answer any more."""
        self._pool.terminate()

    async def _fetch(self, text: str, parameters: list[Any]) -> list[Row]:
        async with self._pool.acquire() as link:
            if self._direct:
                return list(await link.fetch(text, *parameters))
            async with link.transaction(readonly=True):
                return list(await link.fetch(text, *parameters))
