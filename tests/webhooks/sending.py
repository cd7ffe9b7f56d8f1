"""A sender over a dict, with limits short enough for tests."""

import asyncio
import time
from collections.abc import Sequence

from callback_receiver import GUARD, Receiver
from dict_outbox import DictOutbox

from procession.webhooks.delivery import STANDARD, Outcome, Schedule
from procession.webhooks.sender import Sender
from procession.webhooks.signing import Secret
from procession.webhooks.visit import Limits

NOW_MS = int(time.time() * 1_000)
S, H = 1_000, 3_600_000
QUICK = Limits(total_ms=400, connect_ms=200, idle_ms=20, close_ms=500)


def make(
    outbox: DictOutbox,
    *,
    limits: Limits = QUICK,
    schedule: Schedule = STANDARD,
    secrets: Sequence[Secret] = (),
) -> Sender:
    return Sender(
        outbox, GUARD, chance=lambda: 0, limits=limits, schedule=schedule, secrets=secrets
    )


def step(
    outbox: DictOutbox,
    now_ms: int = NOW_MS,
    schedule: Schedule = STANDARD,
    secrets: Sequence[Secret] = (),
) -> int:
    async def once() -> int:
        async with make(outbox, schedule=schedule, secrets=secrets) as sender:
            return await sender.step(now_ms)

    return asyncio.run(once())


def send_one(receiver: Receiver, now_ms: int = NOW_MS) -> Outcome:
    """Deliver one callback to `receiver` and return what was recorded."""
    outbox = DictOutbox()
    with receiver.listening() as address:
        outbox.add(address + "/hook")
        assert step(outbox, now_ms) == 1
    assert len(outbox.outcomes) == 1
    return outbox.outcomes[0]
