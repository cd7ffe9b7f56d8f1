"""The only reader of the clock and the only source of chance."""

from __future__ import annotations

import secrets
import time

_RANDOM_BITS = 74


def now_ms() -> int:
    """Milliseconds since 1970, UTC."""
    return time.time_ns() // 1_000_000


def chance() -> float:
    """A number in [0, 1)."""
    return secrets.randbits(53) / 2**53


def new_id(at_ms: int) -> str:
    """A UUID of version 7: ids of one time lie together, so inserts touch few pages."""
    number = secrets.randbits(_RANDOM_BITS)
    text = f"{at_ms:012x}7{number >> 62:03x}{0x8000000000000000 | (number & (2**62 - 1)):016x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
