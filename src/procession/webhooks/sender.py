"""Sends what the outbox holds: each host in turn, no host waiting for another.

A delivery's next try is written before its POST. A server that dies in between has therefore
already planned the repeat, and a second server running the same loop is refused the same try.
"""

import asyncio
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self

import structlog
from aiohttp import ClientSession

from procession.webhooks.delivery import (
    STANDARD,
    Answer,
    Delivery,
    DeliveryState,
    Schedule,
    next_attempt,
    next_if_lost,
)
from procession.webhooks.guard import AddressGuard
from procession.webhooks.post import post
from procession.webhooks.session import open_session
from procession.webhooks.signing import Secret, sign

# Added to the longest possible try before anybody may take it for lost.
LOST_MARGIN_MS = 5_000

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Start:
    """A try about to begin. `attempt` is the count before it: the outbox writes `attempt + 1`."""

    delivery_id: int
    attempt: int
    next_ms: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of try number `attempt`; `next_ms` is None exactly when `state` is final."""

    delivery_id: int
    attempt: int
    state: DeliveryState
    next_ms: int | None
    answer: Answer


class Outbox(Protocol):
    """Where deliveries wait: a table written together with the events that cause them."""

    async def due(self, now_ms: int, limit: int, busy: frozenset[str]) -> list[Delivery]:
        """Return pending deliveries with `next_ms <= now_ms` whose origin is not in `busy`.

        Ordered by `next_ms`, then process and `seq`. Left out: a delivery while an earlier one of
        the same process and URL is in its first try (attempt 1, nothing recorded, `next_ms` still
        ahead), so that milestones do not overtake each other; once that try has failed, or is
        lost, it no longer holds the later ones up.
        """
        ...

    async def begin(self, starts: Sequence[Start], now_ms: int) -> set[int]:
        """Write `attempt + 1` and `next_ms`; return the ids for which that was possible.

        Only where the row is still pending and its attempt equals `Start.attempt`.
        """
        ...

    async def record(self, outcomes: Sequence[Outcome], now_ms: int) -> None:
        """Write state, next time and the answer where the row's attempt is still the outcome's."""
        ...


@dataclass(frozen=True, slots=True)
class Limits:
    """The bounds of sending; `hosts_max` is how many hosts are sent to at the same time."""

    total_ms: int = 10_000
    connect_ms: int = 5_000
    answer_bytes_max: int = 4_096
    hosts_max: int = 64
    page_max: int = 256
    queue_max: int = 32
    idle_ms: int = 1_000
    close_ms: int = 3_000


class Sender:
    """Takes due deliveries out of `outbox` and posts them; use it as an async context manager.

    `secrets`: newest first. `chance`: gives a number in [0, 1) for jitter. `tls`: the authorities
    to trust instead of the system's.
    """

    def __init__(
        self,
        outbox: Outbox,
        guard: AddressGuard,
        *,
        chance: Callable[[], float],
        secrets: Sequence[Secret] = (),
        schedule: Schedule = STANDARD,
        limits: Limits | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._outbox = outbox
        self._guard = guard
        self._chance = chance
        self._secrets = tuple(secrets)
        self._schedule = schedule
        self._limits = limits or Limits()
        self._tls = tls
        self._session: ClientSession | None = None
        self._hosts: dict[str, asyncio.Task[int]] = {}
        self._woken = asyncio.Event()
        self._closing = False

    async def __aenter__(self) -> Self:
        self._session = open_session(
            self._guard,
            total_ms=self._limits.total_ms,
            connect_ms=self._limits.connect_ms,
            buffer_bytes=self._limits.answer_bytes_max,
            tls=self._tls,
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    def kick(self) -> None:
        """Tell `run` that something may be due. A hint: a lost one costs `idle_ms`."""
        self._woken.set()

    async def step(self, now_ms: int) -> int:
        """Make one whole pass and wait for its end; return how many tries were made."""
        started, _ = await self._start(now_ms)
        return sum(await asyncio.gather(*started))

    async def run(self, clock: Callable[[], int]) -> None:
        """Send what falls due until `close` is called. `clock` gives the time in ms.

        Waits for no host: a pass only starts the hosts that are idle. Outlives an outbox that
        fails for a while.
        """
        while not self._closing:
            self._woken.clear()
            try:
                started, is_full = await self._start(clock())
            except Exception:
                _log.exception("callbacks_not_read")
                started, is_full = [], False
            if not (started and is_full):
                await self._sleep()

    async def close(self) -> None:
        """Finish the tries under way, for at most `close_ms`, then cut them off.

        What is cut off is tried again at the time that was written before it began.
        """
        self._closing = True
        self.kick()
        tasks = list(self._hosts.values())
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=self._limits.close_ms / 1_000)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _start(self, now_ms: int) -> tuple[list[asyncio.Task[int]], bool]:
        """Begin with every idle host that has something due; say whether there may be more."""
        started: list[asyncio.Task[int]] = []
        if self._closing or len(self._hosts) >= self._limits.hosts_max:
            return started, False
        page = self._limits.page_max
        found = await self._outbox.due(now_ms, page, frozenset(self._hosts))
        for origin, queue in _by_origin(found):
            if self._closing or len(self._hosts) >= self._limits.hosts_max:
                break
            if origin not in self._hosts:
                started.append(self._start_host(origin, queue[: self._limits.queue_max], now_ms))
        return started, len(found) >= page

    def _start_host(
        self, origin: str, queue: Sequence[Delivery], now_ms: int
    ) -> "asyncio.Task[int]":
        task = asyncio.create_task(self._serve(queue, now_ms), name=f"callbacks to {origin}")
        self._hosts[origin] = task
        task.add_done_callback(lambda done: self._finished(origin, done))
        return task

    def _finished(self, origin: str, task: "asyncio.Task[int]") -> None:
        del self._hosts[origin]
        error = None if task.cancelled() else task.exception()
        if error is not None:
            _log.error("callbacks_not_sent", origin=origin, exc_info=error)
        else:
            self.kick()

    async def _serve(self, queue: Sequence[Delivery], now_ms: int) -> int:
        """Send one host's deliveries one after the other; return how many tries were made."""
        loop = asyncio.get_running_loop()
        begun_s = loop.time()
        tried = 0
        foreign: set[tuple[str, str]] = set()
        for delivery in queue:
            if self._closing:
                break
            line = (delivery.process_id, delivery.url)
            if line in foreign:
                continue
            passed_ms = round((loop.time() - begun_s) * 1_000)
            if await self._try(delivery, now_ms + passed_ms):
                tried += 1
            else:
                # Another server has this one in hand: what follows it must not overtake it.
                foreign.add(line)
        return tried

    async def _try(self, delivery: Delivery, now_ms: int) -> bool:
        """Make one try; False when it is not ours to make."""
        if delivery.attempt >= self._schedule.attempts_max:
            await self._give_up(delivery, now_ms)
            return False
        start = self._start_of(delivery, now_ms)
        if delivery.delivery_id not in await self._outbox.begin([start], now_ms):
            return False
        answer = await self._post(delivery, now_ms)
        done_ms = now_ms + answer.duration_ms
        state, next_ms = next_attempt(delivery, answer, done_ms, self._chance(), self._schedule)
        outcome = Outcome(delivery.delivery_id, start.attempt + 1, state, next_ms, answer)
        await self._outbox.record([outcome], done_ms)
        return True

    def _start_of(self, delivery: Delivery, now_ms: int) -> Start:
        lost_ms = self._limits.total_ms + LOST_MARGIN_MS
        next_ms = next_if_lost(delivery, now_ms, lost_ms, self._chance(), self._schedule)
        return Start(delivery.delivery_id, delivery.attempt, next_ms)

    async def _give_up(self, delivery: Delivery, now_ms: int) -> None:
        """End a delivery whose last try was cut off with its server, result unknown."""
        answer = Answer(None, "the server stopped during the last try", 0)
        outcome = Outcome(
            delivery.delivery_id, delivery.attempt, DeliveryState.FAILED, None, answer
        )
        await self._outbox.record([outcome], now_ms)

    async def _post(self, delivery: Delivery, now_ms: int) -> Answer:
        assert self._session is not None, "the sender is used inside `async with`"
        return await post(
            self._session,
            self._guard,
            delivery.url,
            headers=sign(self._secrets, delivery.webhook_id, now_ms // 1_000, delivery.body),
            body=delivery.body,
            now_ms=now_ms,
            answer_bytes_max=self._limits.answer_bytes_max,
        )

    async def _sleep(self) -> None:
        try:
            async with asyncio.timeout(self._limits.idle_ms / 1_000):
                await self._woken.wait()
        except TimeoutError:
            return


def _by_origin(found: Sequence[Delivery]) -> list[tuple[str, list[Delivery]]]:
    """Group by host, each group in the order found, hosts with the oldest first."""
    hosts: dict[str, list[Delivery]] = {}
    for delivery in found:
        hosts.setdefault(delivery.origin, []).append(delivery)
    return list(hosts.items())
