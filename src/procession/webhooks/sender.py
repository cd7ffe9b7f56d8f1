"""Sends what the outbox holds: many hosts at the same time, no host waiting for another.

A delivery's next try is written before its POST. A server that dies in between has therefore
already planned the repeat, and a second server running the same loop is refused the same try.
"""

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Mapping, Sequence
from types import MappingProxyType, TracebackType
from typing import Self

import structlog
from aiohttp import ClientSession

from procession.webhooks.carrier import Carrier
from procession.webhooks.delivery import STANDARD, Answer, Delivery, Schedule
from procession.webhooks.guard import AddressGuard, Target
from procession.webhooks.hosts import Hosts
from procession.webhooks.post import post
from procession.webhooks.session import open_session
from procession.webhooks.signing import Secret, sign
from procession.webhooks.visit import Limits, Outbox, Visitor

# While requests wait, callbacks pause this many times as long as they take.
PAUSE_TIMES = 3
PAUSE_S_MAX = 0.5
TARGETS_KEPT_MAX = 1_024
OUR_FAILURE = 500
NO_CARRIERS: Mapping[type[Delivery], Carrier] = MappingProxyType({})

_log = structlog.get_logger(__name__)


def _never() -> bool:
    return False


class Sender:
    """Takes due deliveries out of `outbox` and posts them; use it as an async context manager.

    `secrets`: newest first. `chance`: gives a number in [0, 1) for jitter. `busy`: whether there
    is something more urgent to do; `pause` waits that many seconds then. `tls`: the authorities to
    trust instead of the system's. `carriers`: who brings the deliveries of another class; without
    one a delivery is a callback, on `schedule`.
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
        busy: Callable[[], bool] = _never,
        pause: Callable[[float], Awaitable[object]] = asyncio.sleep,
        tls: ssl.SSLContext | None = None,
        carriers: Mapping[type[Delivery], Carrier] = NO_CARRIERS,
    ) -> None:
        self._outbox = outbox
        self._guard = guard
        self._secrets = tuple(secrets)
        self._limits = limits or Limits()
        self._busy = busy
        self._pause = pause
        self._tls = tls
        self._schedule = schedule
        self._carriers = dict(carriers)
        self._session: ClientSession | None = None
        self._visitor = Visitor(
            outbox,
            self._send,
            chance=chance,
            schedule_of=self._schedule_of,
            limits=self._limits,
            give_way=self._give_way,
        )
        self._hosts = Hosts()
        self._visits: dict[str, asyncio.Task[int]] = {}
        self._targets: dict[str, Target] = {}
        self._woken = asyncio.Event()
        self._unseen: set[str] = set()
        self._fruitless: set[str] = set()
        self._after = ""
        self._is_cut_short = False
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

    def lift_rests(self) -> None:
        """Try silent hosts again now: somebody expects them to be back."""
        self._hosts.lift()
        self.kick()

    async def step(self, now_ms: int) -> int:
        """Visit every host that has something due, wait for the end; return the tries made."""
        started, has_more = await self._look(now_ms)
        while has_more:
            more, has_more = await self._look(now_ms)
            started += more
        return sum(await asyncio.gather(*started))

    async def run(self, clock: Callable[[], int]) -> None:
        """Send what falls due until `close` is called. `clock` gives the time in ms.

        Waits for no host: a look only starts visits to hosts that have none. Outlives an outbox
        that fails for a while.
        """
        loop = asyncio.get_running_loop()
        while not self._closing:
            self._woken.clear()
            began_s = loop.time()
            try:
                _, has_more = await self._look(clock())
            except Exception:
                _log.exception("callbacks_not_read")
                has_more = False
            await self._give_way(loop.time() - began_s)
            if not has_more:
                await self._sleep()

    async def close(self) -> None:
        """Finish the tries under way, for at most `close_ms`, then cut them off.

        What is cut off is tried again at the time that was written before it began.
        """
        self._closing = self._visitor.closing = True
        self.kick()
        tasks = list(self._visits.values())
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=self._limits.close_ms / 1_000)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        if self._session is not None:
            await self._session.close()
            self._session = None
        for carrier in self._carriers.values():
            await carrier.close()

    async def _look(self, now_ms: int) -> tuple[list[asyncio.Task[int]], bool]:
        """Look through one page of hosts and visit those with something due.

        Says whether to look on at once. The next look goes on where this one ended, so that all
        hosts have their turn however few places there are.
        """
        started: list[asyncio.Task[int]] = []
        page_max = self._limits.page_max
        if self._closing or len(self._visits) >= self._limits.hosts_max:
            return started, False
        found = await self._outbox.origins(self._after, page_max)
        for origin, due_ms in found:
            if self._closing or len(self._visits) >= self._limits.hosts_max:
                self._is_cut_short = True
                return started, False
            self._after = origin
            if due_ms > now_ms or self._hosts.is_resting(origin, now_ms):
                continue
            if origin in self._visits:
                self._unseen.add(origin)
            else:
                started.append(self._visit(origin, now_ms))
        if len(found) >= page_max:
            return started, True
        again, self._is_cut_short, self._after = self._is_cut_short, False, ""
        return started, again

    def _visit(self, origin: str, now_ms: int) -> "asyncio.Task[int]":
        visit = self._visitor.visit(origin, self._hosts.of(origin), now_ms)
        task = asyncio.create_task(visit, name=f"callbacks to {origin}")
        self._visits[origin] = task
        task.add_done_callback(lambda done: self._visited(origin, done))
        return task

    def _visited(self, origin: str, task: "asyncio.Task[int]") -> None:
        del self._visits[origin]
        error = None if task.cancelled() else task.exception()
        if error is not None:
            _log.error("callbacks_not_sent", origin=origin, exc_info=error)
        elif not task.cancelled() and task.result():
            self._fruitless.discard(origin)
            self.kick()
        elif origin not in self._unseen:
            self._fruitless.discard(origin)
        elif origin not in self._fruitless:
            # Seen as due meanwhile: looked at once more. If it is in vain again, what is due is in
            # another server's hands, and the next look is soon enough.
            self._fruitless.add(origin)
            self.kick()
        self._unseen.discard(origin)

    def _schedule_of(self, delivery: Delivery) -> Schedule:
        carrier = self._carriers.get(type(delivery))
        return self._schedule if carrier is None else carrier.schedule_of(delivery)

    async def _send(self, delivery: Delivery, now_ms: int) -> Answer:
        carrier = self._carriers.get(type(delivery))
        if carrier is not None:
            return await self._carried(carrier, delivery, now_ms)
        headers = sign(self._secrets, delivery.webhook_id, now_ms // 1_000, delivery.body)
        return await self._post(delivery.url, headers, delivery.body, now_ms)

    async def _carried(self, carrier: Carrier, delivery: Delivery, now_ms: int) -> Answer:
        time = asyncio.get_running_loop().time
        began_s = time()
        status: int | None = None
        try:
            async with asyncio.timeout(self._limits.total_ms / 1_000):
                return await carrier.carry(delivery, now_ms, self._post)
        except TimeoutError:
            error = "no complete answer in time"
        except Exception as problem:
            # A failure of ours says nothing of the receiver: the origin does not rest for it.
            _log.exception("delivery_not_carried", origin=delivery.origin)
            status, error = OUR_FAILURE, type(problem).__name__
        return Answer(status, error, round((time() - began_s) * 1_000))

    async def _post(self, url: str, headers: dict[str, str], body: bytes, now_ms: int) -> Answer:
        assert self._session is not None, "the sender is used inside `async with`"
        return await post(
            self._session,
            self._target,
            url,
            headers=headers,
            body=body,
            now_ms=now_ms,
            answer_bytes_max=self._limits.answer_bytes_max,
        )

    def _target(self, url: str) -> Target:
        """What a URL names; kept, as most hosts have one URL. Raises UrlRefused."""
        target = self._targets.get(url)
        if target is None:
            target = self._guard.check_url(url)
            if len(self._targets) >= TARGETS_KEPT_MAX:
                self._targets.clear()
            self._targets[url] = target
        return target

    async def _give_way(self, took_s: float) -> None:
        """While there is more urgent work, take at most about a quarter of the time for all hosts.

        A pause is never longer than `PAUSE_S_MAX`: callbacks get slow, they do not stop.
        """
        if self._busy():
            times = PAUSE_TIMES * max(len(self._visits), 1)
            await self._pause(min(times * took_s, PAUSE_S_MAX))

    async def _sleep(self) -> None:
        try:
            async with asyncio.timeout(self._limits.idle_ms / 1_000):
                await self._woken.wait()
        except TimeoutError:
            return
