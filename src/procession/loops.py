"""Loops make time pass: each has a step that does what is due at `now_ms` and says how much.

Every step is safe to run twice, and on two servers at once: what it does goes through the
ledger, where the item or process is looked at again under its lock.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Protocol

import structlog

from procession.core import stopping
from procession.core.errors import Overloaded, Refused
from procession.core.process import Change, Item, Process, item_id_of
from procession.core.states import ITEM_FINAL
from procession.engine import Engine
from procession.store.renewal import renewing
from procession.store.turn import Turn

DUE_MAX = 500
PRUNE_MAX = 100
PRUNE_ITEMS_MAX = 2_000
RECORD = (
    "delete_outputs",
    "delete_notes",
    "delete_deliveries",
    "delete_events",
    "delete_tasks",
    "delete_links",
    "delete_metadata",
    "delete_tracked",
    "delete_processes",
)
"""What a process leaves besides its items, the process last."""
PHONE_SILENT_MS = 30_000
DAY_MS = 86_400_000

_log = structlog.get_logger(__name__)


class Loop(Protocol):
    """`every_ms`: the pause after a step that found nothing more to do."""

    every_ms: int

    async def step(self, now_ms: int) -> int: ...


class ItemDeadlines:
    """Leases that ran out, tries that are due, scheduled items, runs past their limit."""

    every_ms = 200

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def step(self, now_ms: int) -> int:
        found = await self._engine.store.connection.fetch("due_items", now_ms=now_ms, limit=DUE_MAX)
        await _all(self._expire(item_id, process_id) for item_id, process_id in found)
        return len(found)

    async def _expire(self, item_id: str, process_id: str) -> None:
        chance = self._engine.chance()

        def decide(process: Process, items: Sequence[Item], now_ms: int) -> Change:
            if not items:
                return Change(process)
            return stopping.expire_item(process, items[0], chance=chance, now_ms=now_ms)

        await self._engine.ledger.change(process_id, decide, (item_id,))


class ProcessDeadlines:
    """Cancels to be forced or ended, and states that lasted past their limit."""

    every_ms = 200

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def step(self, now_ms: int) -> int:
        found = await self._engine.store.connection.fetch(
            "due_processes", now_ms=now_ms, limit=DUE_MAX
        )
        await _all(self._expire(row[0]) for row in found)
        return len(found)

    async def _expire(self, process_id: str) -> None:
        def decide(process: Process, items: Sequence[Item], now_ms: int) -> Change:
            open_items = [item for item in items if item.state not in ITEM_FINAL]
            return stopping.expire(process, open_items, now_ms)

        await self._engine.ledger.change(process_id, decide, item_ids=None)


class SilentPhones:
    """Phones whose agent is not heard of any more are shown offline."""

    every_ms = 2_000

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def step(self, now_ms: int) -> int:
        before_ms = now_ms - PHONE_SILENT_MS
        found = await self._engine.store.connection.fetch("silent_phones", before_ms=before_ms)
        if not found:
            return 0

        async def run(turn: Turn) -> None:
            await turn.store.connection.execute("silence_phones", before_ms=before_ms)

        await self._engine.ledger.errand(run)
        return 0


class OldSessions:
    """Sessions of people go once they are long over."""

    every_ms = 3_600_000

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def step(self, now_ms: int) -> int:
        async def run(turn: Turn) -> None:
            await turn.store.connection.execute("drop_sessions", before_ms=now_ms - DAY_MS)

        await self._engine.ledger.errand(run)
        return 0


class Retention:
    """Finished processes older than the retention go, whole and in small batches."""

    every_ms = 60_000

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def step(self, now_ms: int) -> int:
        before_ms = now_ms - int(self._engine.settings.retention_days * DAY_MS)
        old = await self._engine.store.connection.fetch(
            "prunable_processes", before_ms=before_ms, limit=1
        )
        if not old:
            return 0
        return await self._engine.ledger.errand(lambda turn: self._prune(turn, before_ms))

    async def _prune(self, turn: Turn, before_ms: int) -> int:
        """Looks again within the turn: a retry or a callback sent again keeps its process."""
        connection = turn.store.connection
        found = await connection.fetch("prunable_processes", before_ms=before_ms, limit=PRUNE_MAX)
        locked = await turn.store.lock_processes(sorted(row[0] for row in found))
        old = _few_items(locked[row[0]] for row in found if row[0] in locked)
        process_ids = [process.process_id for process in old]
        item_ids = [
            item_id_of(process.process_id, position)
            for process in old
            for position in range(process.items_total)
        ]
        await connection.execute("delete_items", item_ids=item_ids, process_ids=process_ids)
        for name in RECORD:
            await connection.execute(name, process_ids=process_ids)
        return len(old)


def _few_items(processes: Iterable[Process]) -> list[Process]:
    """The first of these, with PRUNE_ITEMS_MAX items among them unless one alone has more."""
    few: list[Process] = []
    items = 0
    for process in processes:
        items += process.items_total
        if few and items > PRUNE_ITEMS_MAX:
            break
        few.append(process)
    return few


async def run(loop: Loop, clock: Callable[[], int]) -> None:
    """Step for ever; at once again while there is more to do. Outlives a failing step, and says
    once that the database is away or overloaded."""
    waits = False
    while True:
        try:
            done = await loop.step(clock())
            waits = False
        except Overloaded as refused:
            if not waits:
                _log.warning("loop_waits", loop=type(loop).__name__, why=refused.detail)
            waits, done = True, 0
        except Exception:
            _log.exception("loop_failed", loop=type(loop).__name__)
            done = 0
        await asyncio.sleep(0 if done else loop.every_ms / 1000)


async def renew_all_leases(engine: Engine, *, alone: bool) -> None:
    """At start, before anything else: no run loses its phone because no server was there."""
    await engine.ledger.errand(renewing(engine.settings.lease_ms, alone=alone))


async def _all(works: Iterable[Awaitable[None]]) -> None:
    """Run these together; one that is refused meanwhile is no failure of the loop."""
    for outcome in await asyncio.gather(*works, return_exceptions=True):
        if isinstance(outcome, Exception) and not isinstance(outcome, Refused):
            raise outcome
