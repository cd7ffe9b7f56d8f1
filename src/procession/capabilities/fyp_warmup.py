"""`fyp_warmup`: looks through the app's feed for a while, and does nothing else."""

from __future__ import annotations

import os
from typing import Annotated, Any, ClassVar

from msgspec import Meta, Struct

from procession.capabilities.app import App
from procession.capabilities.capability import (
    ROUTINGS,
    Job,
    Mode,
    OnInterrupted,
    Routing,
    RunFailed,
)
from procession.capabilities.profile import chosen

MINUTES_MIN = 0.1
MINUTES_MAX = 120
OVERHEAD_MS = 600_000


class FypWarmupInput(Struct, frozen=True):
    """How long to look through the feed."""

    minutes: Annotated[float, Meta(ge=MINUTES_MIN, le=MINUTES_MAX)] = 10


class FypWarmup:
    """Opens the feed and moves on at an even pace; takes no action on anything shown."""

    name: ClassVar[str] = "fyp_warmup"
    Input: ClassVar[type[Struct] | None] = FypWarmupInput
    modes: ClassVar[frozenset[Mode]] = frozenset({"manual"})
    routings: ClassVar[frozenset[Routing]] = ROUTINGS
    blocked: ClassVar[dict[Mode, str]] = {"unattended": "capability_not_live_verified:fyp_warmup"}
    needs_phone: ClassVar[bool] = True
    on_interrupted: ClassVar[OnInterrupted] = "fail"
    attempts_max: ClassVar[int] = 3
    time_limit_ms: ClassVar[int] = MINUTES_MAX * 90_000 + OVERHEAD_MS

    def time_limit_for(self, wanted: FypWarmupInput) -> int:
        return int(wanted.minutes * 90_000) + OVERHEAD_MS

    def run(self, job: Job) -> Any:
        wanted: FypWarmupInput = job.input
        app = App(job, chosen(os.environ))
        job.progress(0, "opening the feed")
        app.open("feed")
        first = self._position(app)
        moves = app.watch(
            "feed_item",
            wanted.minutes * 60,
            lambda part: job.progress(100 * part, "looking through the feed"),
        )
        last = self._position(app)
        if moves and first is not None and first == last:
            raise RunFailed(f"the feed stood at {first[:100]!r} after {moves} moves", retry=True)
        job.progress(100, "looked through the feed")
        return {"minutes": wanted.minutes, "moves": moves, "first": first, "last": last}

    def _position(self, app: App) -> str | None:
        return app.read("feed_position") if app.names("feed_position") else None
