"""Questions to a peer's tables, over a connection of the measurement's own."""

from __future__ import annotations

import psycopg


async def count_of(address: str, question: str) -> int:
    """The one number a statement answers."""
    async with await psycopg.AsyncConnection.connect(address, autocommit=True) as connection:
        row = await (await connection.execute(question)).fetchone()
        assert row is not None
        return int(row[0])
