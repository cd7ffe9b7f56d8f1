"""The database's time, carried on by this machine's steady clock between two looks at it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

BELIEVED_MS = 10_000
APART_MS_MAX = 500
"""Wall clock and steady clock disagreeing by more: the clock was set, or the machine slept."""


class DatabaseClock:
    """All servers live by the database's time: a server's own clock may be an hour off."""

    def __init__(self, wall_ms: Callable[[], int], steady_ms: Callable[[], int]) -> None:
        self._wall_ms = wall_ms
        self._steady_ms = steady_ms
        self._ahead_ms = 0
        self._wall_ahead_ms = 0
        self._asked_ms: int | None = None

    def now_ms(self) -> int:
        """Milliseconds since 1970 by the database; by this machine before the first look."""
        if self._asked_ms is None:
            return self._wall_ms()
        return self._steady_ms() + self._ahead_ms

    @property
    def wall_apart_ms(self) -> int:
        """How far this machine's clock is ahead of the database's."""
        return self._wall_ms() - self.now_ms()

    @property
    def stale(self) -> bool:
        """Whether it is time to look again."""
        if self._asked_ms is None:
            return True
        steady_ms = self._steady_ms()
        apart_ms = self._wall_ms() - steady_ms - self._wall_ahead_ms
        return steady_ms - self._asked_ms >= BELIEVED_MS or abs(apart_ms) > APART_MS_MAX

    async def look(self, ask: Callable[[], Awaitable[int]]) -> None:
        """Set it by the database. Raises what `ask` raises.

        An answer was given at some time between the question and its arrival. What was believed
        before is kept as far as that allows: an answer held up on its way says little. The first
        one is taken to have been given half way.
        """
        before_ms = self._steady_ms()
        told_ms = await ask()
        after_ms = self._steady_ms()
        if self._asked_ms is None:
            self._ahead_ms = told_ms - (before_ms + after_ms) // 2
        else:
            self._ahead_ms = min(max(self._ahead_ms, told_ms - after_ms), told_ms - before_ms)
        self._wall_ahead_ms = self._wall_ms() - after_ms
        self._asked_ms = after_ms
