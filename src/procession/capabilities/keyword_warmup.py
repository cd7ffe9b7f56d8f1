"""`keyword_warmup`: searches for each keyword in the app and looks through the results."""

from __future__ import annotations

import os
from typing import Annotated, Any, ClassVar

from msgspec import Meta, Struct

from procession.capabilities.app import App
from procession.capabilities.capability import (
    MODES,
    NO_BLOCKS,
    ROUTINGS,
    Job,
    Mode,
    OnInterrupted,
    Routing,
)
from procession.capabilities.profile import chosen

KEYWORDS_MAX = 50
KEYWORD_CHARS_MAX = 200
MINUTES_MIN = 0.1
MINUTES_MAX = 30
OVERHEAD_MS = 300_000
KEYWORD_OVERHEAD_MS = 300_000

Keyword = Annotated[str, Meta(min_length=1, max_length=KEYWORD_CHARS_MAX)]


class KeywordWarmupInput(Struct, frozen=True):
    """What to search for, and how long to look through the results of each."""

    keywords: Annotated[list[Keyword], Meta(min_length=1, max_length=KEYWORDS_MAX)]
    minutes_per_keyword: Annotated[float, Meta(ge=MINUTES_MIN, le=MINUTES_MAX)] = 2


class KeywordWarmup:
    """Types each keyword into the app's search, reads it back, submits, views the results."""

    name: ClassVar[str] = "keyword_warmup"
    Input: ClassVar[type[Struct] | None] = KeywordWarmupInput
    modes: ClassVar[frozenset[Mode]] = MODES
    routings: ClassVar[frozenset[Routing]] = ROUTINGS
    blocked: ClassVar[dict[Mode, str]] = NO_BLOCKS
    needs_phone: ClassVar[bool] = True
    on_interrupted: ClassVar[OnInterrupted] = "fail"
    attempts_max: ClassVar[int] = 3
    time_limit_ms: ClassVar[int] = (
        KEYWORDS_MAX * (MINUTES_MAX * 60_000 + KEYWORD_OVERHEAD_MS) + OVERHEAD_MS
    )

    def time_limit_for(self, wanted: KeywordWarmupInput) -> int:
        each = int(wanted.minutes_per_keyword * 60_000) + KEYWORD_OVERHEAD_MS
        return len(wanted.keywords) * each + OVERHEAD_MS

    def run(self, job: Job) -> Any:
        wanted: KeywordWarmupInput = job.input
        app = App(job, chosen(os.environ))
        searched: list[dict[str, Any]] = []
        for keyword in wanted.keywords:
            share = 100 / len(wanted.keywords)
            moves = self._search(job, app, keyword, share * len(searched), share)
            searched.append({"keyword": keyword, "moves": moves})
        job.progress(100, f"{len(searched)} keywords searched")
        return {"keywords": searched, "minutes_per_keyword": wanted.minutes_per_keyword}

    def _search(self, job: Job, app: App, keyword: str, done: float, share: float) -> int:
        wanted: KeywordWarmupInput = job.input
        job.progress(done, f"searching {keyword!r}")
        app.open("search")
        app.fill("search_field", keyword)
        app.tap("search_submit")
        job.log(f"searched {keyword!r}")
        return app.watch(
            "search_results",
            wanted.minutes_per_keyword * 60,
            lambda part: job.progress(done + share * part, f"viewing results of {keyword!r}"),
        )
