"""Sends one host what is due to it, batch after batch, one POST at a time.

A batch is begun in one write, posted one by one in its order, and recorded in one write. Nobody
else takes a delivery of it before the whole batch must be over, so a batch that gets slow is broken
off: what it did not try is given back as it was, without a try being counted.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import structlog

from procession.webhooks.delivery import (
    Answer,
    Delivery,
    DeliveryState,
    Outcome,
    Schedule,
    Start,
    next_attempt,
    next_if_lost,
)
from procession.webhooks.hosts import BATCH_MAX, Host

# Added to the longest possible try before anybody may take it for lost.
LOST_MARGIN_MS = 5_000

Post = Callable[[Delivery, int], Awaitable[Answer]]
"""Posts a delivery at a time in ms; whatever happens becomes an answer."""

Clock = Callable[[], int]

_log = structlog.get_logger(__name__)


class Outbox(Protocol):
    """Where deliveries wait: a table written together with the events that cause them."""

    async def origins(self, after: str, limit: int) -> list[tuple[str, int]]:
        """Return hosts with pending deliveries and when the first of each is due (ms).

        In the order of their origins, beginning behind `after`. Costs as much as there are hosts,
        however many deliveries wait.
        """
        ...

    async def due(self, origin: str, now_ms: int, limit: int) -> list[Delivery]:
        """Return a host's pending deliveries with `due_ms <= now_ms`.

        Ordered by `due_ms`, then as they were written. Left out: a delivery while an earlier one
        of the same process is in its first try (attempt 1, nothing recorded, `due_ms` still
        ahead), so that milestones do not overtake each other; once that try has failed, or is
        lost, it no longer holds the later ones up.
        """
        ...

    async def begin(self, starts: Sequence[Start]) -> set[int]:
        """Write `attempt + 1` and `next_ms`; return the ids for which that was possible.

        Only where the row is pending and has the attempt and due time its delivery was read with.
        """
        ...

    async def record(
        self, outcomes: Sequence[Outcome], now_ms: int, untried: Sequence[Delivery] = ()
    ) -> None:
        """Write state, next time and the answer where the row's attempt is still the outcome's.

        Of what was begun and is `untried`, attempt and due time become what they were before.
        """
        ...


@dataclass(frozen=True, slots=True)
class Limits:
    """The bounds of sending; `hosts_max` is how many hosts are sent to at the same time.

    `batch_ms_max` breaks a batch off; `batches_max` is how many a host gets before another may
    have its place; `page_max` how many hosts are looked through at once.
    """

    total_ms: int = 10_000
    connect_ms: int = 5_000
    answer_bytes_max: int = 4_096
    hosts_max: int = 64
    page_max: int = 256
    batches_max: int = 64
    batch_ms_max: int = 2_000
    idle_ms: int = 1_000
    close_ms: int = 3_000


class Visitor:
    """Makes the tries; `give_way` is awaited after each with the seconds it took."""

    def __init__(
        self,
        outbox: Outbox,
        post: Post,
        *,
        chance: Callable[[], float],
        schedule_of: Callable[[Delivery], Schedule],
        limits: Limits,
        give_way: Callable[[float], Awaitable[None]],
    ) -> None:
        self._outbox = outbox
        self._post = post
        self._chance = chance
        self._schedule_of = schedule_of
        self._limits = limits
        self._give_way = give_way
        self.closing = False

    async def visit(self, origin: str, host: Host, now_ms: int) -> int:
        """Send until nothing is due, the host is silent or had its share; return the tries made."""
        clock = _running_from(now_ms)
        tried = 0
        for _ in range(self._limits.batches_max):
            if self.closing or host.is_resting(clock()):
                break
            page = await self._due(origin, host, clock())
            if not page:
                break
            batch = await self._begin(page, clock)
            await self._send(origin, host, batch, clock)
            if not batch.outcomes:
                break
            tried += len(batch.outcomes)
        return tried

    async def _due(self, origin: str, host: Host, now_ms: int) -> Sequence[Delivery]:
        """Return what to send together now, after giving up what is over."""
        while not self.closing:
            limit = BATCH_MAX if host.is_silent else host.batch
            page = await self._outbox.due(origin, now_ms, limit)
            over = [delivery for delivery in page if self._is_over(delivery, host, now_ms)]
            if not over:
                return self._together(page[: host.batch])
            await self._outbox.record(
                [_given_up(one, self._schedule_of(one).attempts_max) for one in over], now_ms
            )
        return ()

    def _is_over(self, delivery: Delivery, host: Host, now_ms: int) -> bool:
        schedule = self._schedule_of(delivery)
        if delivery.attempt >= schedule.attempts_max:
            return True
        return host.is_silent and now_ms - delivery.due_ms > schedule.wait_ms_max

    def _together(self, page: Sequence[Delivery]) -> Sequence[Delivery]:
        """Leave a last try to a batch of its own: begun and not made, its server's end loses it."""
        for place, delivery in enumerate(page):
            if delivery.attempt + 1 >= self._schedule_of(delivery).attempts_max:
                return page[: max(place, 1)]
        return page

    async def _begin(self, page: Sequence[Delivery], clock: Clock) -> "_Batch":
        begun_ms = clock()
        ours = await self._outbox.begin(
            [self._start(delivery, place, begun_ms) for place, delivery in enumerate(page)]
        )
        untried = {one.delivery_id: one for one in page if one.delivery_id in ours}
        return _Batch(begun_ms, _in_line(page, ours), untried)

    def _start(self, delivery: Delivery, place: int, now_ms: int) -> Start:
        """A later place begins later, though never after the batch is broken off."""
        limits = self._limits
        begins_ms = min(place * limits.total_ms, limits.batch_ms_max)
        lost_ms = begins_ms + limits.total_ms + LOST_MARGIN_MS
        schedule = self._schedule_of(delivery)
        next_ms = next_if_lost(delivery, now_ms, lost_ms, self._chance(), schedule)
        return Start(delivery, next_ms)

    async def _send(self, origin: str, host: Host, batch: "_Batch", clock: Clock) -> None:
        """Post a batch and record it, even when it is cut off in the middle."""
        try:
            await self._post_all(origin, host, batch, clock)
        finally:
            if batch.outcomes or batch.untried:
                untried = list(batch.untried.values())
                await self._outbox.record(batch.outcomes, clock(), untried)
        if batch.outcomes:
            good = all(outcome.answer.is_delivered for outcome in batch.outcomes)
            host.took(len(batch.outcomes), sum(batch.took_s) * 1_000, all_delivered=good)
            await self._give_way(batch.took_s[-1])

    async def _post_all(self, origin: str, host: Host, batch: "_Batch", clock: Clock) -> None:
        time = asyncio.get_running_loop().time
        for delivery in batch.line:
            if batch.outcomes:
                await self._give_way(batch.took_s[-1])
                if self.closing or clock() - batch.begun_ms > self._limits.batch_ms_max:
                    return
            del batch.untried[delivery.delivery_id]
            began_ms, began_s = clock(), time()
            answer = await self._post(delivery, began_ms)
            batch.took_s.append(time() - began_s)
            batch.outcomes.append(self._outcome(delivery, answer, clock()))
            if not self._is_heard(origin, host, answer, clock()):
                return

    def _outcome(self, delivery: Delivery, answer: Answer, now_ms: int) -> Outcome:
        schedule = self._schedule_of(delivery)
        state, next_ms = next_attempt(delivery, answer, now_ms, self._chance(), schedule)
        return Outcome(delivery.delivery_id, delivery.attempt + 1, state, next_ms, answer)

    def _is_heard(self, origin: str, host: Host, answer: Answer, now_ms: int) -> bool:
        """Note whether the host answered at all; say so when that has changed."""
        was_silent = host.is_silent
        if answer.status is None:
            host.silent(now_ms, self._chance())
        else:
            host.answered()
        if host.is_silent != was_silent:
            word = "host_silent" if host.is_silent else "host_answers"
            # The kind of error only: its text may hold a URL, and that a secret.
            _log.info(word, origin=origin, error=(answer.error or "").partition(":")[0])
        return not host.is_silent


@dataclass(slots=True)
class _Batch:
    """What was begun together: the line to post, what of it is untried, what came of the rest."""

    begun_ms: int
    line: Sequence[Delivery]
    untried: dict[int, Delivery]
    outcomes: list[Outcome] = field(default_factory=list)
    took_s: list[float] = field(default_factory=list)


def _in_line(page: Sequence[Delivery], ours: set[int]) -> list[Delivery]:
    """Return ours, but none behind one that another server has in hand: it must not overtake it."""
    line: list[Delivery] = []
    foreign: set[str] = set()
    for delivery in page:
        if delivery.delivery_id not in ours:
            foreign.add(delivery.process_id)
        elif delivery.process_id not in foreign:
            line.append(delivery)
    return line


def _given_up(delivery: Delivery, attempts_max: int) -> Outcome:
    """End a delivery without a try: its last was cut off with its server, or its host is dead."""
    error = "the host gave no answer for as long as the schedule lasts"
    if delivery.attempt >= attempts_max:
        error = "the server stopped during the last try"
    answer = Answer(None, error, 0)
    return Outcome(delivery.delivery_id, delivery.attempt, DeliveryState.FAILED, None, answer)


def _running_from(now_ms: int) -> Clock:
    """A clock in ms that shows `now_ms` now and runs on steadily."""
    time = asyncio.get_running_loop().time
    began_s = time()
    return lambda: now_ms + round((time() - began_s) * 1_000)
