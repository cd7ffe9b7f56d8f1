"""A ledger on a database of its own, with what its turns did counted."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from made import made_process
from msgspec.structs import replace
from watched_connection import WatchedConnection

from procession.core import lifecycle
from procession.core.process import Change, Item, Process, item_id_of
from procession.core.states import ItemState
from procession.store.claiming import Claiming
from procession.store.ledger import Done, Ledger, ThreadWriter, ended
from procession.store.migrate import migrate
from procession.store.sqlite import SqliteConnection
from procession.store.store import Store
from procession.store.turn import Topic, Work

NOW_MS = 1_700_000_000_000
LEASE_MS = 15_000
DEADLINE_S = 30.0


class Opened:
    """A ledger and what lies under it."""

    def __init__(self, ledger: Ledger, connection: WatchedConnection) -> None:
        self.ledger = ledger
        self.connection = connection
        self.store = Store(connection)
        self.saved: list[set[Topic]] = []

    @property
    def turns(self) -> int:
        return self.connection.statements["begin"]

    async def submit(self, number: int, queues: Sequence[str] = ("phones",)) -> Process:
        """Accept and plan a process with one item a queue."""
        process = replace(made_process(number), version=0)
        done = await self.ledger.submit(process, lambda now_ms: planned(process, queues, now_ms))
        return done.process

    async def add_phones(self, *phone_ids: str) -> None:
        """Healthy phones of agent `a`."""

        async def run(turn: Any) -> None:
            for phone_id in phone_ids:
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

        await self.ledger.errand(run)

    async def claim(self, *phone_ids: str) -> list[tuple[Process, Item]]:
        return await self.ledger.claim(Claiming(1, "a", list(phone_ids), LEASE_MS))

    async def finish(self, item: Item) -> Change:
        return await self.ledger.change(item.process_id, finishing, (item.item_id,))


def planned(process: Process, queues: Sequence[str], now_ms: int) -> tuple[Change, Change]:
    accepted = lifecycle.accept(process, now_ms)
    items = [
        Item(
            item_id=item_id_of(process.process_id, position),
            process_id=process.process_id,
            tenant_id=1,
            capability="echo",
            queue=queue,
        )
        for position, queue in enumerate(queues)
    ]
    return accepted, lifecycle.plan(
        replace(accepted.process, standing=replace(accepted.process.standing, tally={})),
        items,
        now_ms,
    )


def finishing(process: Process, items: Sequence[Item], now_ms: int) -> Change:
    return lifecycle.finish(
        process,
        items[0],
        outcome=ItemState.COMPLETED,
        result=items[0].result,
        error=None,
        retry=False,
        chance=0.5,
        now_ms=now_ms,
    )


def reporting(process: Process, items: Sequence[Item], now_ms: int) -> Change:
    return lifecycle.report(process, items[0], percent=1.0, message="m", now_ms=now_ms)


@asynccontextmanager
async def opened(folder: Path) -> AsyncIterator[Opened]:
    """A ledger with its thread; closed again, also when the test failed."""
    connection = SqliteConnection(str(folder / "ledger.db"))
    ended(migrate(connection, NOW_MS))
    watched = WatchedConnection(connection)
    saved: list[set[Topic]] = []

    def on_saved(topics: Iterable[Topic]) -> None:
        saved.append(set(topics))

    ledger = Ledger(ThreadWriter(Store(watched), lambda: NOW_MS), on_saved)
    one = Opened(ledger, watched)
    one.saved = saved
    try:
        async with asyncio.timeout(DEADLINE_S):
            yield one
    finally:
        await ledger.close()
        connection.close()


class HeldWriter:
    """A writer that answers only when it is told to."""

    def __init__(self) -> None:
        self.held: list[tuple[Sequence[Work], Done]] = []

    def run(self, batch: Sequence[Work], done: Done) -> None:
        self.held.append((batch, done))

    def close(self) -> None:
        assert not self.held

    def answer(self, outcome: Callable[[Work], Any]) -> None:
        batch, done = self.held.pop(0)
        done([outcome(work) for work in batch], set())
