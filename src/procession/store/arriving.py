"""The PostgreSQL database that an installation arrives in."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator

from procession.store.checksum import ROWS_AT_ONCE, Adding, Sum
from procession.store.connection import Row
from procession.store.leaving import select
from procession.store.link import CONNECT_S_MAX, Link
from procession.store.migrate import IMPORTING
from procession.store.postgres import PostgresConnection

COPY_S_MAX = 86_400.0


class Target(PostgresConnection):
    """The database an installation goes to."""

    async def reach(self) -> None:
        """Before the source is locked. Raises one of LOST, or asyncpg.PostgresError."""
        async with asyncio.timeout(CONNECT_S_MAX):
            await self._reopened()

    @property
    def link(self) -> Link:
        """That of the open transaction."""
        assert self._held is not None
        return self._held

    async def unfinished(self) -> str:
        """The id of the import whose end this database waits for."""

        async def look(link: Link) -> str:
            if await link.fetchval("SELECT to_regclass('meta')") is None:
                return ""
            found = await link.fetchval("SELECT value FROM meta WHERE name = $1", IMPORTING)
            return found or ""

        return await self._with(look)

    async def holds(self, table: str) -> bool:
        return bool(await self.link.fetchval(f"SELECT EXISTS ({select('1', table)})"))

    async def empty(self, tables: Iterable[str]) -> None:
        await self.link.execute(f"TRUNCATE {', '.join(tables)}")

    async def copy(self, table: str, columns: list[str], rows: Iterator[Row]) -> None:
        await self.link.copy_records_to_table(
            table, records=rows, columns=columns, timeout=COPY_S_MAX
        )

    async def sum(self, table: str, columns: list[str], told: Callable[[int], None]) -> Sum:
        adding = Adding(told)
        cursor = await self.link.cursor(select(", ".join(columns), table))
        while found := await cursor.fetch(ROWS_AT_ONCE, timeout=COPY_S_MAX):
            for row in found:
                adding.add(tuple(row))
        return adding.sum

    async def count_on(self, table: str, columns: list[str]) -> None:
        """New rows are numbered after the highest number there is."""
        for column in columns:
            name = await self.link.fetchval("SELECT pg_get_serial_sequence($1, $2)", table, column)
            if name is not None:
                await self.link.execute(
                    select(f"setval('{name}', max({column}))", table) + " HAVING count(*) > 0"
                )

    async def analyze(self) -> None:
        """So that the first plans are good ones."""
        await (await self._connection()).execute("ANALYZE", timeout=COPY_S_MAX)
