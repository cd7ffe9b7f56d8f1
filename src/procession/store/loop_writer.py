"""Turns on the event loop, for a connection that really waits."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import structlog

from procession.store.ledger import Done, take_turn
from procession.store.postgres import LOST, PostgresConnection, away
from procession.store.store import Store
from procession.store.turn import Work

TIME_BELIEVED_MS = 10_000

_log = structlog.get_logger(__name__)


class LoopWriter:
    """Runs one batch after the other over one connection, by the database's clock.

    When the database is away a batch is refused as overload: nothing of it was saved, and the
    caller may ask again.
    """

    def __init__(self, connection: PostgresConnection, now_ms: Callable[[], int]) -> None:
        self._connection = connection
        self._store = Store(connection)
        self._local_ms = now_ms
        self._ahead_ms = 0
        self._asked_ms = -TIME_BELIEVED_MS
        self._turn: asyncio.Task[None] | None = None

    def run(self, batch: Sequence[Work], done: Done) -> None:
        self._turn = asyncio.get_running_loop().create_task(self._run(batch, done))

    def close(self) -> None:
        """Nothing runs any more when the ledger closes; the connection is its owner's."""

    async def _run(self, batch: Sequence[Work], done: Done) -> None:
        try:
            await self._set_clock()
            outcomes, topics = await take_turn(self._store, batch, self._now_ms)
        except Exception as error:
            if not isinstance(error, LOST):
                _log.exception("turn_failed")
            outcomes, topics = [away(error)] * len(batch), set()
        done([_refused(outcome) for outcome in outcomes], topics)

    async def _set_clock(self) -> None:
        """The database's time, asked for now and then and carried on by our own clock."""
        local_ms = self._local_ms()
        if local_ms - self._asked_ms >= TIME_BELIEVED_MS or local_ms < self._asked_ms:
            self._ahead_ms = await self._connection.now_ms() - local_ms
            self._asked_ms = local_ms

    def _now_ms(self) -> int:
        return self._local_ms() + self._ahead_ms


def _refused(outcome: object) -> object:
    if isinstance(outcome, LOST):
        return away(outcome)
    return outcome
