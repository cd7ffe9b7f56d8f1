"""The only reader of the clock and the only source of chance."""

from __future__ import annotations

import random
import secrets
import time

# An id must not repeat, but it is no secret: seeded by the system, without a system call an id.
_random = random.Random(secrets.randbits(256))  # noqa: S311


def now_ms() -> int:
    """Milliseconds since 1970, UTC."""
    return time.time_ns() // 1_000_000


def chance() -> float:
    """A number in [0, 1)."""
    return secrets.randbits(53) / 2**53


def new_id(at_ms: int) -> str:
    """A UUID of version 7: ids of one time lie together, so inserts touch few pages."""
    chance = f"{_random.getrandbits(76):019x}"
    variant = "89ab"[int(chance[3], 16) & 3]
    time_text = f"{at_ms:012x}"
    return f"{time_text[:8]}-{time_text[8:]}-7{chance[:3]}-{variant}{chance[4:7]}-{chance[7:19]}"


def steady_ms() -> int:
    """Milliseconds since some moment; goes on evenly, whatever is done to the clock."""
    return time.monotonic_ns() // 1_000_000
