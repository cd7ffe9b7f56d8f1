"""`fail`: fails its first attempts on purpose; for trying retries and error reports."""

from __future__ import annotations

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
    RunFailed,
)

ALWAYS = -1
TIMES_MAX = 100
MESSAGE_CHARS_MAX = 1_000


class FailInput(Struct, frozen=True):
    """`times`: how many attempts fail before one succeeds; -1 means every attempt."""

    message: Annotated[str, Meta(max_length=MESSAGE_CHARS_MAX)] = "failed as asked"
    times: Annotated[int, Meta(ge=ALWAYS, le=TIMES_MAX)] = ALWAYS


class Fail:
    """Fails attempts 1 to `times` with the given message, each worth a retry."""

    name: ClassVar[str] = "fail"
    Input: ClassVar[type[Struct] | None] = FailInput
    modes: ClassVar[frozenset[Mode]] = MODES
    routings: ClassVar[frozenset[Routing]] = ROUTINGS
    blocked: ClassVar[dict[Mode, str]] = NO_BLOCKS
    needs_phone: ClassVar[bool] = True
    on_interrupted: ClassVar[OnInterrupted] = "retry"
    attempts_max: ClassVar[int] = 3
    time_limit_ms: ClassVar[int] = 60_000

    def run(self, job: Job) -> Any:
        wanted: FailInput = job.input
        if wanted.times == ALWAYS or job.attempt <= wanted.times:
            raise RunFailed(wanted.message, retry=True)
        return {"attempt": job.attempt}
