"""The other end of callbacks: a receiver that fails, hangs and remembers what it took."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from random import Random
from typing import Self, cast

from procession.operations import Sight
from procession.outbox import StoredOutbox
from procession.webhooks.delivery import Answer, Delivery, parse_schedule
from procession.webhooks.guard import AddressGuard
from procession.webhooks.sender import Sender
from procession.webhooks.visit import Limits

ORIGINS = ("http://one", "http://two")
SCHEDULE = parse_schedule("0s 1s 2s 4s 8s")
LIMITS = Limits(total_ms=2_000)


def body_of(sight: Sight, milestone: str, at_ms: int) -> bytes:
    """What stands in a callback; the receiver reads the milestone."""
    return f"{sight.process.process_id} {sight.process.version} {milestone}".encode()


class Receiver:
    """`took` counts by origin and webhook id what was answered 200."""

    def __init__(self, random: Random, fails: bool) -> None:
        self._random = random
        self.fails = fails
        self.took: dict[str, int] = {}

    async def post(self, delivery: Delivery) -> Answer:
        await asyncio.sleep(self._random.expovariate(100))
        chance = self._random.random() if self.fails else 1.0
        if chance < 0.15:
            return Answer(503, None, 5)
        if chance < 0.25:
            await asyncio.sleep(LIMITS.total_ms / 1000)
            return Answer(None, "no complete answer in time", LIMITS.total_ms)
        self.took[delivery.webhook_id] = self.took.get(delivery.webhook_id, 0) + 1
        if chance < 0.3:
            # It took the callback, and its answer is lost.
            await asyncio.sleep(LIMITS.total_ms / 1000)
            return Answer(None, "no complete answer in time", LIMITS.total_ms)
        await asyncio.sleep(self._random.expovariate(100))
        return Answer(200, None, 5)


class SimulatedSender(Sender):
    """The sender with the receiver instead of the network below it."""

    def __init__(
        self, outbox: StoredOutbox, receiver: Receiver, chance: Callable[[], float]
    ) -> None:
        guard = cast(AddressGuard, None)
        super().__init__(outbox, guard, chance=chance, schedule=SCHEDULE, limits=LIMITS)
        self._receiver = receiver

    async def __aenter__(self) -> Self:
        return self

    async def _send(self, delivery: Delivery, now_ms: int) -> Answer:
        return await self._receiver.post(delivery)
