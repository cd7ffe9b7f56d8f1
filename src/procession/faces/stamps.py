"""Times and versions as every face shows them."""

from __future__ import annotations

import time
from functools import lru_cache

from procession.core.process import Process
from procession.faces.endpoint import Request


@lru_cache(maxsize=4_096)
def stamp(at_ms: int) -> str:
    """A time as `2026-03-22T08:30:00.000Z`."""
    seconds, ms = divmod(at_ms, 1_000)
    return f"{_second(seconds)}.{ms:03d}Z"


def stamp_or_none(at_ms: int | None) -> str | None:
    return None if at_ms is None else stamp(at_ms)


def second_stamp(at_ms: int) -> str:
    """A time in whole seconds, as `2026-03-22T08:30:00Z`."""
    return f"{_second(at_ms // 1_000)}Z"


@lru_cache(maxsize=4_096)
def _second(seconds: int) -> str:
    at = time.gmtime(seconds)
    day = f"{at.tm_year:04d}-{at.tm_mon:02d}-{at.tm_mday:02d}"
    return f"{day}T{at.tm_hour:02d}:{at.tm_min:02d}:{at.tm_sec:02d}"


def etag(process: Process) -> tuple[bytes, bytes]:
    """The header that names the version of a process."""
    return (b"etag", b'"v%d"' % process.version)


def version_seen(request: Request) -> int | None:
    """The version in `If-None-Match`, the highest where there are several."""
    value = request.headers.get(b"if-none-match")
    if value is None:
        return None
    words = (word.strip().removeprefix(b"W/") for word in value.split(b","))
    versions = [
        int(word[2:-1])
        for word in words
        if word[:2] == b'"v' and word[-1:] == b'"' and word[2:-1].isdigit() and len(word) <= 21
    ]
    return max(versions, default=None)
