"""When an item is tried again."""

from __future__ import annotations

DELAY_MS_FIRST = 1_000
DELAY_MS_MAX = 300_000
LOST_MAX = 3
"""Leases one item may lose before it counts as poison and fails."""


def delay_ms(attempt: int, chance: float) -> int:
    """The pause after try `attempt` (1, 2, …): doubling, capped, ±20 % by `chance` in [0, 1)."""
    plain = min(DELAY_MS_FIRST * 2 ** min(attempt - 1, 30), DELAY_MS_MAX)
    return int(plain * (0.8 + 0.4 * chance))
