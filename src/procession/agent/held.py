"""The items this agent holds now, each with its lease, its child and what was ordered of it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Iterator
from typing import Literal

from procession.agent.child import AT_ONCE, GENTLE, HARD, ONLY_TELL, Child, Ladder
from procession.agent.fence import Contact, Lease
from procession.protocol import Assignment, Order, RunOrder

Why = Literal["soft", "drain", "time_limit", "fence", "hard", "lost"]
"""Why a run is stopped, from the mildest to the one that outdoes all others."""

LADDERS: dict[Why, Ladder] = {
    "soft": ONLY_TELL,
    "drain": GENTLE,
    "time_limit": HARD,
    "fence": HARD,
    "hard": HARD,
    "lost": AT_ONCE,
}
_SEVERITY: dict[Why, int] = {why: rank for rank, why in enumerate(LADDERS)}
_ORDERED: dict[Order, Why] = {"soft": "soft", "hard": "hard", "lost": "lost"}

Key = tuple[str, int]
log = logging.getLogger(__name__)


class Held:
    """One item from its claim until the server has answered for its end."""

    def __init__(self, assignment: Assignment, claimed_s: float, contact: Contact) -> None:
        self.assignment = assignment
        self.lease = Lease(assignment.lease_ms / 1000, claimed_s, contact.credit_s)
        self.claimed_s = claimed_s
        self.started = False
        self.over = False
        self.why: Why | None = None
        self.stop_wanted = asyncio.Event()
        self._contact = contact
        self._child: Child | None = None
        self._stops: set[asyncio.Task[None]] = set()
        self.seen: RunOrder | None = None

    @property
    def key(self) -> Key:
        return self.assignment.item_id, self.assignment.attempt

    def attach(self, child: Child) -> None:
        """The child runs from now on; a stop wanted meanwhile is passed on to it."""
        self._child = child
        self.started = True
        if self.why:
            self._climb(LADDERS[self.why])

    def kill_at_s(self) -> float:
        return self.lease.kill_at_s(self._contact)

    def stop_at_s(self) -> float:
        return self.lease.stop_at_s(self._contact)

    def renew(self, sent_s: float) -> None:
        """The server took a request of that moment naming this run."""
        self.lease.renew(sent_s, self._contact)
        self.tell_keeper()

    def tell_keeper(self) -> None:
        """Let the child's keeper know until when the lease lets it live."""
        if self._child and not self.over:
            self._child.renew(self.kill_at_s())

    def obey(self, order: RunOrder) -> None:
        """Act at once on what the server wants of this run."""
        self.seen = order
        if order.order != "none" and not self.over:
            self.stop(_ORDERED[order.order])

    def stop(self, why: Why) -> None:
        """Begin to stop the run; a milder reason than the present one changes nothing."""
        if self.over or (self.why and _SEVERITY[why] <= _SEVERITY[self.why]):
            return
        log.info("stop item=%s attempt=%d why=%s", *self.key, why)
        self.why = why
        self.stop_wanted.set()
        if self._child:
            self._climb(LADDERS[why])

    def _climb(self, ladder: Ladder) -> None:
        assert self._child
        task = asyncio.create_task(self._child.stop(ladder))
        self._stops.add(task)
        task.add_done_callback(self._stops.discard)


class Holding:
    """All held items by item and attempt."""

    def __init__(self) -> None:
        self._held: dict[Key, Held] = {}

    def __len__(self) -> int:
        return len(self._held)

    def __iter__(self) -> Iterator[Held]:
        return iter(list(self._held.values()))

    def add(self, held: Held) -> None:
        self._held[held.key] = held

    def remove(self, key: Key) -> None:
        self._held.pop(key, None)

    def find(self, key: Key) -> Held | None:
        return self._held.get(key)

    def obey(self, orders: Iterable[RunOrder]) -> None:
        """Pass each order to its run; runs that are gone need none."""
        for order in orders:
            held = self.find((order.item_id, order.attempt))
            if held:
                held.obey(order)

    def renew(self, keys: Iterable[Key], sent_s: float, orders: Iterable[RunOrder]) -> None:
        """A request sent at `sent_s` that named these runs was answered with `orders`."""
        lost = {(one.item_id, one.attempt) for one in orders if one.order == "lost"}
        for key in keys:
            held = self.find(key)
            if held and key not in lost:
                held.renew(sent_s)

    def enforce(self, now_s: float, contact: Contact) -> None:
        """Stop every run whose lease could not be renewed for too long."""
        for held in self:
            if now_s >= held.stop_at_s():
                held.stop("fence")
            elif contact.credit_s:
                held.tell_keeper()
