"""`echo`: answers with what it was given; for trying the way from request to result."""

from __future__ import annotations

from typing import Any, ClassVar

from msgspec import Struct

from procession.capabilities.capability import (
    MODES,
    NO_BLOCKS,
    ROUTINGS,
    Job,
    Mode,
    OnInterrupted,
    Routing,
)


class Echo:
    """Takes any object; the result is the input."""

    name: ClassVar[str] = "echo"
    Input: ClassVar[type[Struct] | None] = None
    modes: ClassVar[frozenset[Mode]] = MODES
    routings: ClassVar[frozenset[Routing]] = ROUTINGS
    blocked: ClassVar[dict[Mode, str]] = NO_BLOCKS
    needs_phone: ClassVar[bool] = True
    on_interrupted: ClassVar[OnInterrupted] = "retry"
    attempts_max: ClassVar[int] = 3
    time_limit_ms: ClassVar[int] = 60_000

    def run(self, job: Job) -> Any:
        return job.input
