"""The only writer of a server process: batches decisions into turns.

While one turn runs the next batch gathers; when idle a turn starts with the current tick of the
event loop, without a timer. All bookkeeping happens on the event loop, so nothing can slip in
between "nothing waits" and "I am idle".
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from typing import Any, Protocol, TypeVar

from procession.core.errors import Overloaded
from procession.core.process import Change, Item, Process
from procession.store.claiming import Claiming
from procession.store.connection import Topic
from procession.store.sqlite import as_refused
from procession.store.store import Store
from procession.store.turn import Decision, Errand, Submission, Submitted, Together, Turn, Work

BATCH_MAX = 256
WAITING_MAX = 10_000

T = TypeVar("T")
Done = Callable[[list[Any], set[Topic]], None]


class Writer(Protocol):
    """Runs one batch at a time, wherever its database wants it run."""

    def run(self, batch: Sequence[Work], done: Done) -> None: ...

    def close(self) -> None: ...


class Ledger:
    """Callers hand it decisions and await their answers."""

    def __init__(self, writer: Writer, saved: Callable[[Iterable[Topic]], None]) -> None:
        self._writer = writer
        self._saved = saved
        self._waiting: deque[tuple[Work, asyncio.Future[Any]]] = deque()
        self._running = False
        self._closing = False
        self._idle = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None

    async def submit(
        self,
        process: Process,
        make: Callable[[int], Sequence[Change]],
        also: Callable[[Turn], Awaitable[None]] | None = None,
        items: int = 0,
    ) -> Submitted:
        """Save a new process with what `also` writes, or find the one that has its key.

        `items`: how many it will have, where that is known; one alone costs less.
        """
        submitted: Submitted = await self._take(Submission(process, make, also, items))
        return submitted

    async def change(
        self,
        process_id: str,
        decide: Callable[[Process, Sequence[Item], int], Change],
        item_ids: tuple[str, ...] | None = (),
    ) -> Change:
        """Save what `decide` makes of the process and the items named (None: all of them).

        Raises NotFound, Overloaded, and whatever Refused `decide` raises.
        """
        change: Change = await self._take(Decision(process_id, decide, item_ids))
        return change

    async def change_two(self, first: Decision, then: Decision) -> Change:
        """As `change`, for two processes at once; what refuses `then` is swallowed."""
        change: Change = await self._take(Together(first, then))
        return change

    async def claim(self, claiming: Claiming) -> list[tuple[Process, Item]]:
        """Give waiting items to free phones."""
        claimed: list[tuple[Process, Item]] = await self._take(claiming)
        return claimed

    async def errand(self, run: Callable[[Turn], Awaitable[T]]) -> T:
        """Any other write, in a transaction it shares with others."""
        answer: T = await self._take(Errand(run))
        return answer

    async def close(self) -> None:
        """Finish what waits, then stop the writer."""
        self._closing = True
        if self._running:
            self._idle.clear()
            await self._idle.wait()
        self._writer.close()

    def _take(self, work: Work) -> asyncio.Future[Any]:
        if len(self._waiting) >= WAITING_MAX or self._closing:
            raise Overloaded
        # Asking for the running loop is a system call each time; a ledger has one.
        loop = self._loop = self._loop or asyncio.get_running_loop()
        future = loop.create_future()
        self._waiting.append((work, future))
        if not self._running:
            self._running = True
            loop.call_soon(self._start)
        return future

    def _start(self) -> None:
        waiting = self._waiting
        if not waiting:
            self._running = False
            self._idle.set()
            return
        batch = [waiting.popleft() for _ in range(min(len(waiting), BATCH_MAX))]
        loop = self._loop
        assert loop is not None

        def done(outcomes: list[Any], topics: set[Topic]) -> None:
            loop.call_soon_threadsafe(self._finish, batch, outcomes, topics)

        self._writer.run([work for work, _ in batch], done)

    def _finish(
        self,
        batch: list[tuple[Work, asyncio.Future[Any]]],
        outcomes: list[Any],
        topics: set[Topic],
    ) -> None:
        self._start()
        for (_, future), outcome in zip(batch, outcomes, strict=True):
            if future.done():
                continue
            if isinstance(outcome, BaseException):
                future.set_exception(outcome)
            else:
                future.set_result(outcome)
        self._saved(topics)


async def take_turn(
    store: Store, batch: Sequence[Work], now_ms: Callable[[], int]
) -> tuple[list[Any], set[Topic]]:
    """Run a batch; when it fails as a whole, each alone, so that a failure is its caller's only."""
    turn = Turn(store, now_ms())
    try:
        return await turn.run(batch), turn.topics
    except Exception as error:
        # A connection that could not even begin would keep each of them waiting as long again.
        if len(batch) == 1 or isinstance(error, Overloaded):
            return [error] * len(batch), set()
    outcomes: list[Any] = []
    topics: set[Topic] = set()
    for work in batch:
        outcome, woken = await take_turn(store, [work], now_ms)
        outcomes += outcome
        topics |= woken
    return outcomes, topics


class ThreadWriter:
    """Runs turns in a thread of its own, for a connection that never suspends."""

    def __init__(self, store: Store, now_ms: Callable[[], int]) -> None:
        self._store = store
        self._now_ms = now_ms
        self._inbox: queue.SimpleQueue[tuple[Sequence[Work], Done] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="ledger", daemon=True)
        self._thread.start()

    def run(self, batch: Sequence[Work], done: Done) -> None:
        self._inbox.put((batch, done))

    def close(self) -> None:
        self._inbox.put(None)
        self._thread.join()

    def _work(self) -> None:
        while (order := self._inbox.get()) is not None:
            batch, done = order
            outcomes: list[Any]
            topics: set[Topic]
            try:
                outcomes, topics = ended(take_turn(self._store, batch, self._now_ms))
            except BaseException as error:
                # The only writer outlives whatever a decision does: every caller would hang.
                failure = error if isinstance(error, Exception) else RuntimeError(repr(error))
                outcomes, topics = [failure] * len(batch), set()
            done([as_refused(outcome) for outcome in outcomes], topics)


def ended(coroutine: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine that must not suspend."""
    try:
        coroutine.send(None)
    except StopIteration as stop:
        result: T = stop.value
        return result
    coroutine.close()
    raise RuntimeError("a statement suspended on a connection that never waits")


__all__ = ["Ledger", "ThreadWriter", "Writer", "ended", "take_turn"]
