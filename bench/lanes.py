"""Phones that exist only in the worker protocol: each run ends the moment it was given.

What is measured with these is the server's share alone: no adb, no child, no agent program.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

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
    PhoneReport,
    Register,
    Registered,
    Result,
)

AGENT_ID = "bench"
CLAIM_MS = 1_000
CALL_S_MAX = 60.0
IDLE_S_MAX = 20.0


class Drained(Struct):
    """What was ended, and how long the last of it took from the first claim on."""

    items: int
    took_s: float

    @property
    def per_s(self) -> float:
        return self.items / self.took_s


def phone_ids(count: int) -> list[str]:
    return [f"lane_{number:03d}" for number in range(count)]


async def register(client: Client, phones: Sequence[str]) -> None:
    """One agent with these phones, all of them free."""
    reports = [PhoneReport(phone_id=phone, serial=phone) for phone in phones]
    message = Register(AGENT_ID, PROTOCOL_VERSION, "bench", ["echo"], reports)
    await client.worker("register", message, Registered)


async def drain(client: Client, phones: Sequence[str], *, expected: int, calls: int) -> Drained:
    """End `expected` items over all phones; `calls` requests are under way at once.

    Raises BenchFailed when an end is refused, or when work runs out before that.
    """
    groups = [list(phones[start::calls]) for start in range(calls)]
    left = Countdown(expected)
    began = time.perf_counter()
    working = [asyncio.create_task(_work(client, group, left)) for group in groups]
    ended = asyncio.create_task(left.ended.wait())
    done, _ = await asyncio.wait([ended, *working], return_when=asyncio.FIRST_COMPLETED)
    took_s = time.perf_counter() - began
    for task in (ended, *working):
        task.cancel()
    await asyncio.gather(ended, *working, return_exceptions=True)
    for task in done:
        task.result()
    return Drained(expected, took_s)


class Countdown:
    """How many items are still to be ended, and whether all are."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.ended = asyncio.Event()

    def less(self, count: int) -> None:
        self.count -= count
        if self.count <= 0:
            self.ended.set()


async def _work(client: Client, phones: list[str], left: Countdown) -> None:
    items: list[Assignment] = []
    idle_since = time.perf_counter()
    while True:
        if items:
            items = await _finish(client, phones, items, left)
            idle_since = time.perf_counter()
        else:
            claim = Claim(AGENT_ID, phones, CLAIM_MS)
            items = (await client.worker("claim", claim, Claimed, CALL_S_MAX)).items
            if not items and time.perf_counter() - idle_since > IDLE_S_MAX:
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
