"""What other servers save on the same database: heard of by notices, and looked for besides."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import asyncpg
import structlog
from msgspec import MsgspecError
from msgspec.json import decode

from procession.core.errors import Overloaded
from procession.store.connection import Connection
from procession.store.database_clock import DatabaseClock
from procession.store.postgres import EVERYTHING, LOST, PostgresConnection
from procession.wakeup import Wakeup

LISTEN_EVERY_S = 0.5
LOOK_EVERY_S = 1.0
LOOK_EVERY_S_POOLED = 0.5
"""Behind a pooler no notice arrives, and looking is all there is."""
LOOKED_AT_MAX = 2_000
CLOCK_EVERY_S = 1.0

_log = structlog.get_logger(__name__)


class Elsewhere:
    """Wakes those who wait for what another server saved.

    A notice is a hint, never a promise. Claims and long polls look again by themselves; for the
    streams, and everybody else who watches a process, the versions of all of them are read in one
    statement, so that a lost notice costs a second.
    """

    def __init__(
        self,
        hearing: PostgresConnection,
        writing: PostgresConnection,
        reading: Connection,
        wakeup: Wakeup,
    ) -> None:
        self._hearing = hearing
        self._writing = writing
        self._reading = reading
        self._wakeup = wakeup
        self._versions: dict[str, int] = {}

    async def run(self, clock: DatabaseClock) -> None:
        """Until cancelled."""
        direct = self._hearing.direct
        duties = [
            _every(LOOK_EVERY_S if direct else LOOK_EVERY_S_POOLED, self.look),
            _every(CLOCK_EVERY_S, lambda: self._tell(clock)),
        ]
        if direct:
            duties.append(_every(LISTEN_EVERY_S, self.listen))
        await asyncio.gather(*duties)

    async def listen(self) -> None:
        """Once a lost connection is back, anything may have been saved meanwhile."""
        if await self._hearing.listen(self._hear):
            self._wakeup.saved_something()

    async def look(self) -> None:
        """Wake whoever watches a process that is not as it was at the last look."""
        watched = sorted(self._wakeup.watched("process"))
        found: dict[str, int] = {}
        for first in range(0, len(watched), LOOKED_AT_MAX):
            some = watched[first : first + LOOKED_AT_MAX]
            rows = await self._reading.fetch("versions", process_ids=some)
            found |= {row[0]: row[1] for row in rows}
        known, self._versions = self._versions, found
        changed = [one for one, version in found.items() if known.get(one) != version]
        self._wakeup.saved(("process", one) for one in changed)

    async def _tell(self, clock: DatabaseClock) -> None:
        """Keep the time also while nothing is written."""
        if clock.stale:
            await clock.look(self._hearing.now_ms)

    def _hear(self, sender: int, notice: str) -> None:
        if sender != self._writing.backend:
            wake(self._wakeup, notice)


def wake(wakeup: Wakeup, notice: str) -> None:
    """Do what a notice of another server asks for."""
    if notice == EVERYTHING:
        wakeup.saved_something()
        return
    try:
        wakeup.saved(tuple(topic) for topic in decode(notice, type=list[list[str | int]]))
    except MsgspecError:
        wakeup.saved_something()


async def _every(seconds: float, act: Callable[[], Awaitable[None]]) -> None:
    """Outlives a database that is away; says so once each time."""
    away = False
    while True:
        try:
            await act()
            away = False
        except (*LOST, asyncpg.PostgresError, Overloaded) as error:
            if not away:
                _log.warning("not_looking_elsewhere", error=str(error))
            away = True
        await asyncio.sleep(seconds)
