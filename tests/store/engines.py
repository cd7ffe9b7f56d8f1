"""Whole engines on a PostgreSQL, as servers have them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from ledgers import LEASE_MS, planned
from made import made_process
from msgspec.structs import replace

from procession.core.process import Process
from procession.engine import Engine
from procession.opening import open_engine
from procession.settings import Settings
from procession.store.turn import Submitted


@asynccontextmanager
async def engine_on(address: str) -> AsyncIterator[Engine]:
    async with open_engine(Settings(database=address, lease_ms=LEASE_MS)) as engine:
        await engine.ledger.errand(make_tenant)
        yield engine


async def make_tenant(turn: Any) -> None:
    await turn.store.connection.execute("insert_tenant", name="default", now_ms=turn.now_ms)


def numbered(number: int) -> Process:
    return replace(made_process(number), version=0)


async def submit(engine: Engine, number: int, process: Process | None = None) -> Submitted:
    process = process or numbered(number)
    return await engine.ledger.submit(
        process, lambda now_ms: planned(process, ["phones"], now_ms), items=1
    )
