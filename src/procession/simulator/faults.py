"""What can be made to go wrong with a phone, and for how long."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import NamedTuple

SECONDS_MAX = 86_400.0
SLOW_MS = 1_000
AWAY_MS = 3_000


class Fault(StrEnum):
    """A fault; its value is the word used on the control port and by `simctl fault`."""

    HANG = "hang"
    DROP = "drop"
    SLOW = "slow"
    UNAUTHORIZED = "unauthorized"
    REBOOT = "reboot"
    HOT_BATTERY = "hot_battery"
    LOW_BATTERY = "low_battery"
    LOW_STORAGE = "low_storage"
    CRASH_MID_COMMAND = "crash_mid_command"


class _Setting(NamedTuple):
    until: float | None
    ms: int


class Faults:
    """The faults of one phone. A fault with a duration ends by itself; others stay until cleared.

    May be switched from any thread: watchers are called in the thread that switches.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._on: dict[Fault, _Setting] = {}
        self._watchers: list[Callable[[Fault | None], None]] = []

    def watch(self, changed: Callable[[Fault | None], None]) -> None:
        """Have `changed(fault)` called after a fault is set, and `changed(None)` after a clear."""
        self._watchers.append(changed)

    def set(self, fault: Fault, seconds: float | None = None, *, ms: int | None = None) -> None:
        """Switch a fault on.

        `seconds`: how long it lasts; None means until cleared, for `crash_mid_command` once,
        for `reboot` its usual time away. `ms`: latency of `slow`, time away of `reboot`.
        Raises ValueError for a duration that is negative or over a day.
        """
        if fault is Fault.REBOOT:
            seconds = (AWAY_MS if ms is None else ms) / 1000 if seconds is None else seconds
        verify(seconds, ms)
        until = None if seconds is None else self._clock() + seconds
        self._on = {**self._on, fault: _Setting(until, SLOW_MS if ms is None else ms)}
        self._tell(fault)

    def clear(self, fault: Fault | None = None) -> None:
        """Switch one fault off, or all."""
        self._on = {} if fault is None else {k: v for k, v in self._on.items() if k is not fault}
        self._tell(None)

    def is_on(self, fault: Fault) -> bool:
        setting = self._on.get(fault)
        return setting is not None and (setting.until is None or setting.until > self._clock())

    def on(self) -> list[Fault]:
        """The faults that are on now, in the order in which they were set."""
        return [fault for fault in self._on if self.is_on(fault)]

    def latency_ms(self) -> int:
        """How much longer every shell command takes."""
        return self._on[Fault.SLOW].ms if self.is_on(Fault.SLOW) else 0

    def take_crash(self) -> bool:
        """Whether this command is to crash; a crash without a duration is used up by asking."""
        if not self.is_on(Fault.CRASH_MID_COMMAND):
            return False
        if self._on[Fault.CRASH_MID_COMMAND].until is None:
            self.clear(Fault.CRASH_MID_COMMAND)
        return True

    def seconds_left(self, fault: Fault) -> float:
        """How long a fault still lasts; 0 when it is off or has no end."""
        setting = self._on.get(fault)
        until = None if setting is None else setting.until
        return 0.0 if until is None else max(0.0, until - self._clock())

    def seconds_to_next_end(self) -> float | None:
        """When the next fault ends by itself; None when none will."""
        now = self._clock()
        left = [s.until - now for s in self._on.values() if s.until is not None and s.until > now]
        return min(left, default=None)

    def _tell(self, fault: Fault | None) -> None:
        for changed in self._watchers:
            changed(fault)


def verify(seconds: float | None, ms: int | None) -> None:
    """Raises ValueError for a duration that is negative or over a day."""
    if not 0 <= (seconds or 0) <= SECONDS_MAX or not 0 <= (ms or 0) <= SECONDS_MAX * 1000:
        raise ValueError(f"a fault lasts 0 to {SECONDS_MAX:.0f} seconds")
