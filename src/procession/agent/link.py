"""The way to the server: every call is also news of whether the server is there."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import TypeVar

from msgspec import Struct

from procession.agent.fence import Contact
from procession.client import Client, Refused, Unreachable, Verb

PAUSE_S = 0.2
PAUSE_S_MAX = 2.0
FORGOTTEN = frozenset({404, 409, 410})
"""Answers that mean: this server does not know the agent (any more)."""

T = TypeVar("T")
log = logging.getLogger(__name__)


class Link:
    """Speaks the worker protocol for one agent and keeps the fence's `contact` up to date."""

    def __init__(
        self, client: Client, agent_id: str, contact: Contact, now_s: Callable[[], float]
    ) -> None:
        self.agent_id = agent_id
        self.contact = contact
        self.now_s = now_s
        self._client = client
        self._quiet = False

    async def call(self, verb: Verb, message: Struct, answer: type[T], timeout_s: float) -> T:
        """Raises Unreachable, Refused."""
        try:
            answered = await self._client.worker(verb, message, answer, timeout_s)
        except Refused:
            self._heard()
            raise
        except Unreachable as reason:
            self._missed(verb, reason)
            raise
        self._heard()
        return answered

    def _heard(self) -> None:
        self.contact.answered()
        if self._quiet:
            self._quiet = False
            log.info("server reached again")

    def _missed(self, verb: Verb, reason: Unreachable) -> None:
        if reason.why == "refused":
            self.contact.refused(self.now_s())
        else:
            self.contact.silent()
        if not self._quiet:
            self._quiet = True
            log.warning("server not reached: %s %s", verb, reason)


class Pause:
    """Waits between tries: longer each time, at least as long as the server asked for."""

    def __init__(self, most_s: float = PAUSE_S_MAX) -> None:
        self._first_s = min(PAUSE_S, most_s)
        self._most_s = most_s
        self._pause_s = self._first_s

    async def after(self, reason: Unreachable | Refused) -> None:
        asked_s = reason.retry_after_s if isinstance(reason, Refused) else None
        await asyncio.sleep(max(self._pause_s, min(asked_s or 0.0, 30.0)))
        self._pause_s = min(self._pause_s * 2, self._most_s)

    def reset(self) -> None:
        self._pause_s = self._first_s
