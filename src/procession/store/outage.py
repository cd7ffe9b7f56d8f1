"""How long the database could not be reached, as reads and turns together have seen it."""

from __future__ import annotations

from collections.abc import Callable


class Outage:
    """Every failure counts from when the failed work began: a silent database fails late."""

    def __init__(self, now_ms: Callable[[], int]) -> None:
        self.now_ms = now_ms
        self._first_ms: int | None = None
        self._last_ms = 0

    def failed(self, begun_ms: int) -> None:
        """Work that was begun then has failed now."""
        self._first_ms = begun_ms if self._first_ms is None else min(self._first_ms, begun_ms)
        self._last_ms = self.now_ms()

    @property
    def lasted_ms(self) -> int:
        """From the first failure to the last since `over`; 0 without one."""
        return 0 if self._first_ms is None else self._last_ms - self._first_ms

    def over(self) -> None:
        """Whatever there was to be done about it is done."""
        self._first_ms = None
