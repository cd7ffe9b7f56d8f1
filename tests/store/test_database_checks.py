"""What `doctor` tells of a database's searches."""

from __future__ import annotations

import asyncio

import asyncpg
from postgres_server import PostgresServer

from procession.commands.database_checks import TRIGRAMS, database
from procession.store.migrate import migrate
from procession.store.postgres import PostgresConnection


async def prepared(address: str) -> None:
    connection = await PostgresConnection.open(address)
    await migrate(connection, 1)
    await connection.close()


async def run(address: str, text: str) -> None:
    connection = await asyncpg.connect(address)
    await connection.execute(text)
    await connection.close()


def told(address: str) -> list[tuple[str, str]]:
    found = database(address)
    return [(one.state, one.remedy) for one in found if one.name == "database search"]


def test_a_search_without_trigrams_is_told_with_its_remedy(postgres: PostgresServer) -> None:
    address = postgres.address("searches")
    assert told(address) == []
    asyncio.run(prepared(address))
    assert [state for state, _ in told(address)] == ["ok"]
    asyncio.run(run(address, "DROP INDEX tracked_name, task_title; DROP EXTENSION pg_trgm"))
    assert told(address) == [("note", TRIGRAMS)]
    asyncio.run(run(address, TRIGRAMS.partition(": ")[2]))
    assert [state for state, _ in told(address)] == ["ok"]
