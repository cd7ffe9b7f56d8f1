"""Two servers that do the same at once: one does it, the other sees that it was done."""

from __future__ import annotations

import asyncio
from itertools import count
from typing import Any

from engines import engine_on, submit
from ledgers import finishing
from postgres_server import PostgresServer

from procession.engine import Engine
from procession.server import first_token
from procession.store.claiming import Claiming
from procession.tokens import list_tokens

ROUNDS = 25
PHONES = ["p", "q"]
_names = count()


async def add_phones(engine: Engine) -> None:
    async def run(turn: Any) -> None:
        for phone_id in PHONES:
            await turn.store.connection.execute(
                "put_phone",
                tenant_id=1,
                phone_id=phone_id,
                agent_id="a",
                health="available",
                serial=phone_id,
                battery_percent=None,
                temperature_c=None,
                storage_free_mb=None,
                detail="",
                seen_ms=turn.now_ms,
            )

    await engine.ledger.errand(run)


def test_a_phone_claimed_through_two_servers_at_once_gets_one_run(
    postgres: PostgresServer,
) -> None:
    async def run() -> None:
        address = postgres.address(f"racing_{next(_names)}")
        async with asyncio.timeout(60), engine_on(address) as one, engine_on(address) as two:
            await add_phones(one)
            for number in range(2 * ROUNDS):
                await submit(one, number)
            for _ in range(ROUNDS):
                claims = (e.ledger.claim(Claiming(1, "a", PHONES, 15_000)) for e in (one, two))
                claimed = [item for some in await asyncio.gather(*claims) for _, item in some]
                assert sorted(item.phone_id or "" for item in claimed) == PHONES
                for item in claimed:
                    await two.ledger.change(item.process_id, finishing, (item.item_id,))

    asyncio.run(run())


def test_of_servers_that_start_at_once_one_makes_the_first_token(
    postgres: PostgresServer,
) -> None:
    async def run() -> None:
        address = postgres.address(f"racing_{next(_names)}")
        async with asyncio.timeout(60), engine_on(address) as one, engine_on(address) as two:
            made = await asyncio.gather(*(first_token(engine) for engine in (one, two) * 3))
            assert len([token for token in made if token]) == 1
            assert len(await one.ledger.errand(list_tokens)) == 1

    asyncio.run(run())
