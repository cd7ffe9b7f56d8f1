"""Idle phones wait for work: long polls, each for all phones that became idle together."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable

from procession.agent.link import Link, Pause
from procession.client import Refused, Unreachable
from procession.protocol import LANES_MAX, Assignment, Claim, Claimed

WAIT_MS = 20_000
MERGE_WAIT_MS = 1_000
"""A poll beside another one ends soon, so that its phones can join a common one."""
POLLS_MAX = 12
ANSWER_GRACE_S = 10.0

log = logging.getLogger(__name__)

OnItems = Callable[[list[Assignment], list[str], float], None]


class Claims:
    """A phone is either offered in exactly one poll, or waits for the next, or is not idle."""

    def __init__(self, link: Link, ready: Callable[[str], bool], on_items: OnItems) -> None:
        self._link = link
        self._ready = ready
        self._on_items = on_items
        self._idle: set[str] = set()
        self._offered: set[str] = set()
        self._polls: set[asyncio.Task[None]] = set()
        self._work = asyncio.Event()
        self._closed = False
        self._pause = Pause()

    def offer(self, phones: Iterable[str]) -> None:
        """These phones are idle now."""
        self._idle.update(phone for phone in phones if phone not in self._offered)
        self._work.set()

    def withdraw(self, phone: str) -> None:
        """This phone has work now."""
        self._idle.discard(phone)

    def health_changed(self) -> None:
        """Phones that were not ready may be now."""
        self._work.set()

    def close(self) -> None:
        """Open no more polls."""
        self._closed = True

    async def abandon(self, wait_s: float) -> None:
        """Let open polls end by themselves for a while, then give them up.

        A poll given up may have been answered already: its items come back when their leases end.
        """
        if self._polls:
            _, open_still = await asyncio.wait(self._polls, timeout=wait_s)
            for poll in open_still:
                poll.cancel()

    async def forward(self) -> None:
        """Keep polls open for idle phones, for ever."""
        while True:
            await self._work.wait()
            self._work.clear()
            phones = [phone for phone in sorted(self._idle) if self._ready(phone)][:LANES_MAX]
            if phones and not self._closed and len(self._polls) < POLLS_MAX:
                self._open(phones)

    def _open(self, phones: list[str]) -> None:
        self._idle -= set(phones)
        self._offered |= set(phones)
        wait_ms = MERGE_WAIT_MS if self._polls else WAIT_MS
        poll = asyncio.create_task(self._poll(phones, wait_ms))
        self._polls.add(poll)
        poll.add_done_callback(self._polls.discard)

    async def _poll(self, phones: list[str], wait_ms: int) -> None:
        sent_s = self._link.now_s()
        items: list[Assignment] = []
        try:
            message = Claim(self._link.agent_id, phones, wait_ms)
            timeout_s = wait_ms / 1000 + ANSWER_GRACE_S
            items = (await self._link.call("claim", message, Claimed, timeout_s)).items
            self._pause.reset()
        except (Unreachable, Refused) as reason:
            if isinstance(reason, Refused):
                log.warning("claim refused: %s", reason)
            await self._pause.after(reason)
        finally:
            self._offered -= set(phones)
        self._on_items(items, phones, sent_s)
        # The poll still counts as open here; the next look comes when it no longer does.
        asyncio.get_running_loop().call_soon(self._work.set)
