"""Waiting for what must come true, never longer than it may take."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
LOOK_EVERY_S = 0.02


def came_true(seen: Callable[[], object], within_s: float) -> bool:
    """Whether it did before the time was over; where either is well."""
    try:
        until(seen, within_s)
    except AssertionError:
        return False
    return True


def until(seen: Callable[[], T | None], within_s: float = 20.0, what: str = "it") -> T:
    """The first truthy answer of `seen`. Fails when none came in time."""
    ends_s = time.monotonic() + within_s
    while True:
        found = seen()
        if found:
            return found
        assert time.monotonic() < ends_s, f"{what} did not come true within {within_s:g} s"
        time.sleep(LOOK_EVERY_S)
