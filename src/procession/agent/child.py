"""One run as the agent sees it: started on a keeper's seat, stopped by a ladder, known dead."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from msgspec import Struct

from procession.agent.frames import Began, Ended, Progress, Renew, Start, Stop
from procession.agent.nursery import Nursery, Seat

OnProgress = Callable[[Progress], None]


class Ladder(Struct, frozen=True):
    """The steps of a stop: tell, wait, SIGTERM, wait, SIGKILL of all. None leaves a step out;
    with `told_s` infinite the run is only told.
    """

    told_s: float | None
    term_s: float | None


ONLY_TELL = Ladder(told_s=float("inf"), term_s=None)
AT_ONCE = Ladder(told_s=None, term_s=None)
HARD = Ladder(told_s=None, term_s=1.0)
GENTLE = Ladder(told_s=3.0, term_s=1.0)


class Child:
    """A run on a keeper. `gone` is set once no process of it is left; then `ended` says how.

    `ended` stays None when the keeper was lost with the run.
    """

    def __init__(self, seat: Seat, nursery: Nursery, on_progress: OnProgress) -> None:
        self._seat = seat
        self._nursery = nursery
        self._on_progress = on_progress
        self.gone = asyncio.Event()
        self.pid: int | None = None
        self.ended: Ended | None = None

    def start(self, start: Start) -> None:
        """Ask the keeper to fork the run."""
        self._seat.send(start)

    async def until_dead(self) -> Ended | None:
        """Follow the run until no process of it is left."""
        try:
            while self.ended is None:
                self._take_in(await self._seat.receive())
        except (EOFError, OSError):
            await self._nursery.until_swept(self._seat)
        self.gone.set()
        return self.ended

    def _take_in(self, message: object) -> None:
        if isinstance(message, Ended):
            self.ended = message
        elif isinstance(message, Progress):
            self._on_progress(message)
        elif isinstance(message, Began):
            self.pid = message.pid

    def renew(self, until_s: float) -> None:
        """Let the run live until this moment (CLOCK_BOOTTIME) unless renewed again."""
        self._seat.send(Renew(until_s))

    async def stop(self, ladder: Ladder) -> None:
        """Climb the ladder until the run is known dead; `until_dead` must be running.

        A ladder that ends with telling returns at once.
        """
        if ladder.told_s is not None:
            self._seat.send(Stop("tell"))
            if ladder.told_s == float("inf") or await self._gone_within(ladder.told_s):
                return
        if ladder.term_s is not None:
            self._seat.send(Stop("term"))
            if await self._gone_within(ladder.term_s):
                return
        self._seat.send(Stop("kill"))
        await self.gone.wait()

    async def _gone_within(self, seconds: float) -> bool:
        try:
            await asyncio.wait_for(self.gone.wait(), seconds)
        except TimeoutError:
            return False
        return True
