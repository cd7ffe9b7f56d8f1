"""Phones that exist only in the worker protocol: each run ends the moment it was given.

What is measured with these is the server's share alone: no adb, no child, no agent program.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager

from msgspec import Raw, Struct

from bench.children import BenchFailed
from procession.client import Client
from procession.protocol import (
    PROTOCOL_VERSION,
    Assignment,
    Claim,
    Claimed,
    Finish,
    Finished,
    Heartbeat,
    Orders,
    PhoneReport,
    Register,
    Registered,
    Result,
)

AGENT_ID = "bench"
CLAIM_MS = 1_000
CALL_S_MAX = 60.0
IDLE_S_MAX = 20.0
HEARTBEAT_S = 5.0


class Drained(Struct):
    """What was ended, and how long the last of it took from the first claim on."""

    items: int
    took_s: float

    @property
    def per_s(self) -> float:
        return self.items / self.took_s


def phone_ids(count: int) -> list[str]:
    return [f"lane_{number:03d}" for number in range(count)]


@asynccontextmanager
async def agent(client: Client, phones: Sequence[str]) -> AsyncGenerator[None, None]:
    """One agent with these phones, all of them free, and heard of for as long as this lasts."""
    reports = [PhoneReport(phone_id=phone, serial=phone) for phone in phones]
    message = Register(AGENT_ID, PROTOCOL_VERSION, "bench", ["echo"], reports)
    await client.worker("register", message, Registered)
    beating = asyncio.create_task(_beat(client, reports))
    try:
        yield
    finally:
        beating.cancel()
        await asyncio.gather(beating, return_exceptions=True)


async def _beat(client: Client, reports: list[PhoneReport]) -> None:
    while True:
        await asyncio.sleep(HEARTBEAT_S)
        await client.worker("heartbeat", Heartbeat(AGENT_ID, [], reports), Orders, CALL_S_MAX)


async def drain(client: Client, phones: Sequence[str], *, expected: int, calls: int) -> Drained:
    """End `expected` items over all phones; `calls` requests are under way at once.

    Raises BenchFailed when an end is refused, or when work runs out before that.
    """
    groups = [list(phones[start::calls]) for start in range(calls)]
    left = Countdown(expected)
    began = time.perf_counter()
    await asyncio.gather(*(_work(client, group, left) for group in groups))
    return Drained(expected, left.ended_s - began)


class Countdown:
    """How many items are still to be ended, and when the last one was."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.ended_s = 0.0

    def less(self, count: int) -> None:
        self.count -= count
        self.ended_s = time.perf_counter()


async def _work(client: Client, phones: list[str], left: Countdown) -> None:
    items: list[Assignment] = []
    idle_since = time.perf_counter()
    while left.count > 0:
        if items:
            items = await _finish(client, phones, items, left)
            idle_since = time.perf_counter()
        else:
            claim = Claim(AGENT_ID, phones, CLAIM_MS)
            items = (await client.worker("claim", claim, Claimed, CALL_S_MAX)).items
            # A claim is never cut off: what was given to it would be held until its lease is over.
            if not items and left.count > 0 and time.perf_counter() - idle_since > IDLE_S_MAX:
                raise BenchFailed(f"no work for {phones[0]}, though {left.count} items are left")


async def _finish(
    client: Client, phones: list[str], items: list[Assignment], left: Countdown
) -> list[Assignment]:
    results = [
        Result(item.item_id, item.attempt, "completed", result=Raw(b'{"done":true}'))
        for item in items
    ]
    finish = Finish(AGENT_ID, results, phones)
    finished = await client.worker("finish", finish, Finished, CALL_S_MAX)
    refused = [answer.code for answer in finished.answers if not answer.accepted]
    if refused:
        raise BenchFailed(f"{len(refused)} ends were refused: {refused[0]}")
    left.less(len(items))
    return finished.items
