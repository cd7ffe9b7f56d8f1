"""The only reader of the clock and the only source of chance."""

from __future__ import annotations

import os
import secrets
import time


def now_ms() -> int:
    """Milliseconds since 1970, UTC."""
    return time.time_ns() // 1_000_000


def chance() -> float:
    """A number in [0, 1)."""
    return secrets.randbits(53) / 2**53


def new_id(at_ms: int) -> str:
    """A UUID of version 7: ids of one time lie together, so inserts touch few pages."""
    chance = os.urandom(10).hex()
    variant = "89ab"[int(chance[3], 16) & 3]
    time_text = f"{at_ms:012x}"
    return f"{time_text[:8]}-{time_text[8:]}-7{chance[:3]}-{variant}{chance[4:7]}-{chance[7:19]}"
