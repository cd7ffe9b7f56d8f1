"""`sleep`: holds its phone for a while; for trying progress, stops and kills."""

from __future__ import annotations

import time
from typing import Annotated, Any, ClassVar

from msgspec import Meta, Struct

from procession.capabilities.capability import (
    MODES,
    NO_BLOCKS,
    ROUTINGS,
    Job,
    Mode,
    OnInterrupted,
    Routing,
)

SECONDS_MAX = 86_400
REPORTS_MAX = 50
BETWEEN_REPORTS_S_MIN = 0.2


class SleepInput(Struct, frozen=True):
    """`ignore_stop`: sleep on when told to stop, so that only a kill ends the run."""

    seconds: Annotated[float, Meta(ge=0, le=SECONDS_MAX)]
    ignore_stop: bool = False


class Sleep:
    """Sleeps the given seconds, reporting progress; stops when told unless asked not to."""

    name: ClassVar[str] = "sleep"
    Input: ClassVar[type[Struct] | None] = SleepInput
    modes: ClassVar[frozenset[Mode]] = MODES
    routings: ClassVar[frozenset[Routing]] = ROUTINGS
    blocked: ClassVar[dict[Mode, str]] = NO_BLOCKS
    needs_phone: ClassVar[bool] = True
    on_interrupted: ClassVar[OnInterrupted] = "retry"
    attempts_max: ClassVar[int] = 3
    time_limit_ms: ClassVar[int] = SECONDS_MAX * 1_000 + 600_000

    def time_limit_for(self, wanted: SleepInput) -> int:
        return int(wanted.seconds * 1_000) + 60_000

    def run(self, job: Job) -> Any:
        wanted: SleepInput = job.input
        if wanted.ignore_stop:
            time.sleep(wanted.seconds)
        else:
            self._sleep_in_parts(job, wanted.seconds)
        return {"slept_s": wanted.seconds}

    def _sleep_in_parts(self, job: Job, seconds: float) -> None:
        part = max(seconds / REPORTS_MAX, BETWEEN_REPORTS_S_MIN)
        slept = 0.0
        while slept < seconds:
            job.progress(100 * slept / seconds, f"slept {slept:.1f} of {seconds:g} s")
            job.wait(min(part, seconds - slept))
            slept += part
