"""How deliveries that are no plain callbacks find their own way, within the same tries and log."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol

from procession.webhooks.delivery import Answer, Delivery, Schedule

HttpPost = Callable[[str, dict[str, str], bytes, int], Awaitable[Answer]]
"""Posts to a URL these headers and this body, at a time in ms; guarded and bounded."""


class Carrier(Protocol):
    """Brings the deliveries of one class where they belong."""

    def schedule_of(self, delivery: Delivery) -> Schedule:
        """When this one is tried."""
        ...

    async def carry(self, delivery: Delivery, now_ms: int, post: HttpPost) -> Answer:
        """One try. Whatever happens becomes an answer; it is cut off after `total_ms`.

        Status None means that nobody answered: then the whole origin rests.
        """
        ...

    async def close(self) -> None:
        """Nothing is carried any more."""
        ...
