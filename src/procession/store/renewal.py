"""While no server reached the database nobody could renew a lease, so nobody loses by it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from procession.core import lifecycle
from procession.store.turn import Turn

DAY_MS = 86_400_000


def renewing(lease_ms: int, *, alone: bool) -> Callable[[Turn], Awaitable[None]]:
    """An errand that gives every held lease a full lease from now.

    Where other servers may be at work (not `alone`) it does so only when none of them has heard of
    any agent lately.
    """

    async def renew(turn: Turn) -> None:
        await turn.store.connection.execute(
            "renew_all_leases",
            lease_ms=turn.now_ms + lease_ms,
            due_ms=turn.now_ms + lease_ms + lifecycle.GRACE_MS,
            alive_ms=turn.now_ms + DAY_MS if alone else turn.now_ms - lease_ms // 2,
        )

    return renew
