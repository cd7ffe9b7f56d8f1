"""PostgreSQL looks for waiting work in its queue, not among all that ever ended."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import asyncpg
import pytest
from made import made_item, made_process
from msgspec.structs import replace
from postgres_server import PostgresServer
from rows_written import insert_items

from procession.core.states import ItemState, State
from procession.store import rows
from procession.store.bulk_text import bulk_text
from procession.store.migrate import migrate
from procession.store.postgres import DIALECT, PostgresConnection
from procession.store.statements import Statement, read_statements
from procession.store.store import Store

ENDED, WAITING = 4_000, 400


async def crowded(address: str, *, told: bool) -> asyncpg.Connection[Any]:
    """A database where ten times as much has ended as waits; `told`: its planner knows."""
    ours = await PostgresConnection.open(address)
    await migrate(ours, 1)
    store = Store(ours)
    ended = [made_process(number, state=State.COMPLETED) for number in range(ENDED)]
    waiting = [made_process(ENDED + number) for number in range(WAITING)]
    await ours.begin()
    await store.insert_processes([(one, rows.text_of(one.standing)) for one in ended + waiting])
    await insert_items(
        store,
        [
            *(
                replace(made_item(one, 0), state=ItemState.COMPLETED, finished_ms=1)
                for one in ended
            ),
            *(made_item(one, 0) for one in waiting),
        ],
    )
    await ours.commit()
    await ours.close()
    connection: asyncpg.Connection[Any] = await asyncpg.connect(address)
    if told:
        await connection.execute("ANALYZE")
    return connection


def nodes(plan: dict[str, Any]) -> list[dict[str, Any]]:
    return [plan, *(node for part in plan.get("Plans", ()) for node in nodes(part))]


@pytest.mark.parametrize("told", [True, False], ids=["told", "not-yet-told"])
def test_the_head_of_a_queue_is_read_from_its_own_index(
    postgres: PostgresServer, told: bool
) -> None:
    async def run() -> None:
        connection = await crowded(postgres.address(f"claims_{told}"), told=told)
        statement = read_statements(DIALECT)["queue_head"]
        assert isinstance(statement, Statement)
        text = bulk_text(statement, ["int4", "text", "int8", "int8"])
        async with connection.transaction():
            # As a turn begins; a plan for any values, as it is kept for all turns.
            await connection.execute("SET LOCAL enable_seqscan = off")
            await connection.execute("SET LOCAL enable_bitmapscan = off")
            await connection.execute("SET LOCAL plan_cache_mode = force_generic_plan")
            await connection.execute(f"PREPARE head (int4[], text[], int8[], int8[]) AS {text}")
            plan = await connection.fetchval(
                "EXPLAIN (ANALYZE, FORMAT JSON)"
                " EXECUTE head (ARRAY[1, 1], ARRAY['phones', 'nobody'], ARRAY[0, 0], ARRAY[8, 8])"
            )
        await connection.close()
        found = nodes(json.loads(plan)[0]["Plan"])
        assert "item_waiting" in {node.get("Index Name") for node in found}
        assert sum(node.get("Rows Removed by Filter", 0) for node in found) == 0
        assert not any(node["Node Type"] in ("Sort", "Seq Scan") for node in found)

    asyncio.run(run())
