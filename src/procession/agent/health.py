"""Which phones may take work: gates with hysteresis, and quarantine. Pure: time is an argument."""

from __future__ import annotations

from msgspec import Struct

BATTERY_BACK_PERCENT = 5
TEMPERATURE_BACK_C = 3.0
STORAGE_BACK_MB = 50
FAILURES_MAX = 3
QUARANTINE_S = (60.0, 300.0, 1800.0)


class Vitals(Struct, frozen=True):
    """What a probe found. A value the phone does not tell is None and closes no gate."""

    phone_id: str
    booted: bool
    battery_percent: int | None = None
    temperature_c: float | None = None
    storage_free_mb: int | None = None


class Gates(Struct, frozen=True):
    """The limits a phone must keep to be given work."""

    battery_percent_min: int
    temperature_c_max: float
    storage_free_mb_min: int


def unfit(vitals: Vitals, gates: Gates, was_unfit: bool) -> str:
    """Why the phone may not work, or an empty text.

    A phone that was unfit must recover past the limit by a margin, so that it does not flap.
    """
    margin = 1 if was_unfit else 0
    battery_min = gates.battery_percent_min + margin * BATTERY_BACK_PERCENT
    temperature_max = gates.temperature_c_max - margin * TEMPERATURE_BACK_C
    storage_min = gates.storage_free_mb_min + margin * STORAGE_BACK_MB
    if not vitals.booted:
        return "still booting"
    if vitals.battery_percent is not None and vitals.battery_percent < battery_min:
        return f"battery {vitals.battery_percent} %, needs {battery_min} %"
    if vitals.temperature_c is not None and vitals.temperature_c > temperature_max:
        return f"{vitals.temperature_c:g} °C, at most {temperature_max:g} °C"
    if vitals.storage_free_mb is not None and vitals.storage_free_mb < storage_min:
        return f"{vitals.storage_free_mb} MB free, needs {storage_min} MB"
    return ""


class Quarantine(Struct):
    """Keeps a phone from work after failures in a row that were the phone's own.

    Each time is longer than the one before; a run that completes forgives everything.
    """

    failures: int = 0
    times: int = 0
    until_s: float | None = None

    def failed(self, now_s: float) -> bool:
        """One more failure; whether it puts the phone into quarantine."""
        self.failures += 1
        if self.failures < FAILURES_MAX:
            return False
        self.until_s = now_s + QUARANTINE_S[min(self.times, len(QUARANTINE_S) - 1)]
        self.times += 1
        self.failures = 0
        return True

    def worked(self) -> None:
        self.failures = 0
        self.times = 0

    def probed(self, now_s: float) -> bool:
        """The phone passed a probe; whether that ends its quarantine."""
        if self.until_s is None or now_s < self.until_s:
            return False
        self.until_s = None
        return True

    def lift(self) -> None:
        """An operator wants the phone back."""
        self.failures = 0
        self.until_s = None

    @property
    def holds(self) -> bool:
        return self.until_s is not None
