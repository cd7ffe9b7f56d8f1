"""Turns on the event loop, for a connection that really waits."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import asyncpg
import structlog

from procession.core.errors import Overloaded
from procession.store import postgres
from procession.store.connection import Topic
from procession.store.database_clock import DatabaseClock
from procession.store.ledger import Done
from procession.store.outage import Outage
from procession.store.postgres import (
    LOST,
    AnswerLost,
    OutcomeUnknown,
    PostgresConnection,
    away,
)
from procession.store.renewal import renewing
from procession.store.store import Store
from procession.store.turn import Errand, Turn, Work

TRIES_MAX = 3
FORGET_EVERY_MS = 30_000
MARKS_KEPT_MS = 60_000
UNKNOWN = "the database went away; whether this was saved is not known yet: ask again"
AGAIN = (
    asyncpg.DeadlockDetectedError,
    asyncpg.SerializationError,
    asyncpg.UniqueViolationError,  # another server gave the same phone a run a moment ago
)
"""Another server's transaction was faster; the next try sees what it did."""

Outcomes = tuple[list[Any], set[Topic]]

_log = structlog.get_logger(__name__)


class LoopWriter:
    """Runs one batch after the other over one connection, by the database's clock.

    A batch whose connection is lost before its COMMIT is run once more on the next connection.
    When the database stays away a batch is refused as overload, and the caller may ask again.
    """

    def __init__(
        self,
        connection: PostgresConnection,
        clock: DatabaseClock,
        lease_ms: int,
        outage: Outage | None = None,
    ) -> None:
        self._connection = connection
        self._store = Store(connection)
        self._clock = clock
        self._outage = outage or Outage(clock.now_ms)
        self._lease_ms = lease_ms
        self._forgotten_ms = 0
        self._turn: asyncio.Task[None] | None = None
        connection.marks = True

    def run(self, batch: Sequence[Work], done: Done) -> None:
        self._turn = asyncio.get_running_loop().create_task(self._run(batch, done))

    def close(self) -> None:
        """Nothing runs any more when the ledger closes; the connection is its owner's."""

    async def _run(self, batch: Sequence[Work], done: Done) -> None:
        outcomes, topics = await self._settled(batch)
        done(outcomes, topics)

    async def _settled(self, batch: Sequence[Work]) -> Outcomes:
        """The outcome of each; when the batch fails as a whole, each alone, so that a failure is
        its caller's only."""
        try:
            return await self._taken(batch)
        except OutcomeUnknown:
            return _all_refused(batch, Overloaded(UNKNOWN))
        except LOST as error:
            return _all_refused(batch, away(error))
        except Exception as error:
            if len(batch) == 1:
                return [error], set()
        outcomes: list[Any] = []
        topics: set[Topic] = set()
        for work in batch:
            outcome, woken = await self._settled([work])
            outcomes += outcome
            topics |= woken
            if isinstance(outcome[0], Overloaded):
                # Asked for each in turn, an absent database would keep the last waiting for long.
                left = batch[len(outcomes) :]
                return outcomes + _all_refused(left, outcome[0])[0], topics
        return outcomes, topics

    async def _taken(self, batch: Sequence[Work]) -> Outcomes:
        in_doubt = False
        for tries in range(1, TRIES_MAX + 1):
            begun_ms = self._clock.now_ms()
            try:
                return await self._turned(batch)
            except LOST as error:
                self._outage.failed(begun_ms)
                self._connection.drop()
                in_doubt = in_doubt or isinstance(error, AnswerLost)
                if tries >= TRIES_MAX - 1:
                    if in_doubt:
                        raise OutcomeUnknown from error
                    raise
                if in_doubt:
                    # Whether it was saved is seen by doing it again.
                    await self._connection.reached(postgres.DOUBT_S_MAX)
            except AGAIN:
                if tries == TRIES_MAX:
                    raise
        raise AssertionError

    async def _turned(self, batch: Sequence[Work]) -> Outcomes:
        if self._clock.stale:
            await self._clock.look(self._connection.now_ms)
        if self._outage.lasted_ms > self._outage_ms_max:
            await self._alone(Errand(renewing(self._lease_ms, alone=False)))
        begun_ms = self._clock.now_ms()
        turn = Turn(self._store, begun_ms)
        if turn.is_new_only(batch):
            outcomes = await turn.run_alone(batch, self._connection.insert_alone)
        else:
            outcomes = await turn.run(batch)
        self._outage.over()
        if self._clock.now_ms() - begun_ms > self._outage_ms_max:
            # A pooler has it wait for a database that is away, and tells of no failure.
            self._outage.failed(begun_ms)
        if begun_ms - self._forgotten_ms > FORGET_EVERY_MS:
            self._forgotten_ms = begun_ms
            await self._forget()
        return outcomes, turn.topics

    @property
    def _outage_ms_max(self) -> int:
        """Agents tell of their runs five times a lease, and miss one without harm."""
        return self._lease_ms // 5

    async def _forget(self) -> None:
        """What is saved already is not in doubt because this fails."""

        async def forget(turn: Turn) -> None:
            before_ms = turn.now_ms - MARKS_KEPT_MS
            await turn.store.connection.execute("forget_turns", before_ms=before_ms)

        try:
            await self._alone(Errand(forget))
        except Exception as error:
            _log.warning("marks_kept", error=str(error))

    async def _alone(self, errand: Errand) -> None:
        await Turn(self._store, self._clock.now_ms()).run([errand])


def _all_refused(batch: Sequence[Work], refusal: Overloaded) -> Outcomes:
    return [refusal for _ in batch], set()
