"""Keeps leases alive and brings orders: a long poll over all runs, renewed in time.

The main poll names every run and is held by the server for one heartbeat. A run that begins
meanwhile is covered soon after by a further poll that ends with the main one, so that an order
for it arrives at once too; runs shorter than that delay cost no heartbeat at all.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from procession.agent.held import Held, Holding, Key
from procession.agent.link import FORGOTTEN, PAUSE_S_MAX, Link, Pause
from procession.client import Refused, Unreachable
from procession.protocol import RUNS_MAX, WAIT_MS_MAX, Heartbeat, Orders, PhoneReport, RunReport

COVER_EVERY_S = 0.25
ANSWER_GRACE_S = 3.0
EMPTY_TURN_S_MIN = 0.05

log = logging.getLogger(__name__)


class Heartbeats:
    """`forward` and `cover` run for ever; `register_again` is called when the server forgot us."""

    def __init__(
        self,
        link: Link,
        holding: Holding,
        phones: Callable[[], list[PhoneReport]],
        register_again: Callable[[], Awaitable[None]],
    ) -> None:
        self._link = link
        self._holding = holding
        self._phones = phones
        self._register_again = register_again
        self.wait_ms = 1_000
        self._covered: dict[Key, int] = {}
        self._ends_s = 0.0
        self._polls: set[asyncio.Task[None]] = set()

    async def forward(self) -> None:
        """The main poll, again and again."""
        # Several tries fit between two renewals, so that a server that is down is seen as such.
        pause = Pause(min(PAUSE_S_MAX, self.wait_ms / 1000 / 3))
        missed = False
        while True:
            begun_s = self._link.now_s()
            # After an outage the leases are short of time: an answer that is held costs more of it.
            wait_ms = 0 if missed else min(self.wait_ms, WAIT_MS_MAX)
            self._ends_s = begun_s + wait_ms / 1000
            try:
                await self._beat(list(self._holding), wait_ms, self._phones())
                pause.reset()
                missed = False
            except Refused as reason:
                missed = True
                log.warning("heartbeat refused: %s", reason)
                if reason.status in FORGOTTEN:
                    await self._register_again()
                await pause.after(reason)
            except Unreachable as reason:
                missed = True
                await pause.after(reason)
            spent_s = self._link.now_s() - begun_s
            await asyncio.sleep(max(0.0, EMPTY_TURN_S_MIN - spent_s))

    async def cover(self) -> None:
        """Open a further poll for runs that began after the main one was sent."""
        while True:
            await asyncio.sleep(COVER_EVERY_S)
            now_s = self._link.now_s()
            runs = [held for held in self._holding if self._is_bare(held, now_s)]
            left_ms = int((self._ends_s - now_s) * 1000)
            if runs and left_ms > 0:
                poll = asyncio.create_task(self._cover(runs, left_ms))
                self._polls.add(poll)
                poll.add_done_callback(self._polls.discard)

    def _is_bare(self, held: Held, now_s: float) -> bool:
        old_enough = now_s - held.claimed_s >= COVER_EVERY_S
        return old_enough and held.key not in self._covered and not held.over

    async def _cover(self, runs: list[Held], wait_ms: int) -> None:
        try:
            await self._beat(runs, wait_ms, [])
        except (Unreachable, Refused) as reason:
            # The main poll meets the same and deals with it.
            log.debug("covering heartbeat: %s", reason)
            await asyncio.sleep(COVER_EVERY_S)

    async def _beat(self, runs: list[Held], wait_ms: int, phones: list[PhoneReport]) -> None:
        runs = runs[:RUNS_MAX]
        keys = [held.key for held in runs]
        for key in keys:
            self._covered[key] = self._covered.get(key, 0) + 1
        sent_s = self._link.now_s()
        message = Heartbeat(
            self._link.agent_id,
            [RunReport(*held.key, started=held.started) for held in runs],
            phones,
            wait_ms,
            [held.seen for held in runs if held.seen],
        )
        try:
            timeout_s = wait_ms / 1000 + ANSWER_GRACE_S
            answer = await self._link.call("heartbeat", message, Orders, timeout_s)
        finally:
            for key in keys:
                self._uncover(key)
        self._holding.renew(keys, sent_s, answer.orders)
        self._holding.obey(answer.orders)

    def _uncover(self, key: Key) -> None:
        self._covered[key] -= 1
        if not self._covered[key]:
            del self._covered[key]
