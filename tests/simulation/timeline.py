"""An event loop whose time jumps and whose chance is seeded.

Every callback belongs to a Node: a process or a machine of the simulated world, known by the
context it runs in. A node runs its callbacks in their order, as any event loop does; which node
runs next is drawn. A node that was killed runs nothing more, a stopped one nothing for a while.
"""

from __future__ import annotations

import asyncio
import contextlib
import heapq
from collections import deque
from collections.abc import Callable, Coroutine
from contextvars import Context, ContextVar, copy_context
from random import Random
from typing import Any

TURNS_MAX = 50_000
"""Callbacks within one instant; more means that something runs in circles."""

_node: ContextVar[Node] = ContextVar("node")


class RunsInCircles(Exception):
    """Callbacks follow each other without time passing."""


class Handle:
    """One callback, waiting for its turn or its time."""

    __slots__ = ("args", "callback", "context", "done", "node", "when_s")

    def __init__(
        self, callback: Callable[..., object], args: tuple[Any, ...], context: Context
    ) -> None:
        self.callback = callback
        self.args = args
        self.context = context
        self.node = context[_node]
        self.done = False
        self.when_s = 0.0

    def cancel(self) -> None:
        self.done = True

    def cancelled(self) -> bool:
        return self.done

    def when(self) -> float:
        return self.when_s


class Node:
    """Something that runs by itself and can be killed or stopped by itself."""

    def __init__(self, timeline: Timeline, name: str) -> None:
        self.name = name
        self.alive = True
        self.stopped = False
        self.listed = False
        self.ready: deque[Handle] = deque()
        self.context = copy_context()
        self.context.run(_node.set, self)
        self._timeline = timeline

    def start(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        return self._timeline.create_task(work, context=self.context)

    def live(self, work: Coroutine[Any, Any, Any]) -> None:
        """Start what the whole node is for; that it fails is told."""
        self.start(work).add_done_callback(self._ended, context=self._timeline.world.context)

    def _ended(self, task: asyncio.Task[Any]) -> None:
        if not task.cancelled() and task.exception():
            self._timeline.call_exception_handler(
                {"message": f"life of {self.name}", "exception": task.exception()}
            )

    def call_later(self, delay_s: float, callback: Callable[..., object], *args: Any) -> Handle:
        return self._timeline.call_later(delay_s, callback, *args, context=self.context)

    def kill(self) -> None:
        """Nothing of it runs any more, not even its `finally` blocks."""
        self.alive = False
        self.ready.clear()

    def stop(self, seconds: float) -> None:
        """As by SIGSTOP; what comes meanwhile waits."""
        self.stopped = True
        self._timeline.world.call_later(seconds, self._go_on)

    def _go_on(self) -> None:
        self.stopped = False
        self._timeline.list_ready(self)

    def __repr__(self) -> str:
        return f"Node({self.name})"


class Task(asyncio.Task):  # type: ignore[type-arg]
    """A task with a place of its own in any set, so that sets have the same order again."""

    number = 0

    def __hash__(self) -> int:
        return self.number


class Future(asyncio.Future):  # type: ignore[type-arg]
    """A future with a place of its own in any set."""

    number = 0

    def __hash__(self) -> int:
        return self.number


class Timeline(asyncio.AbstractEventLoop):
    """The loop. `world` is the node of what happens by itself; `failed` hears of exceptions."""

    def __init__(self, random: Random, failed: Callable[[str, BaseException | None], None]) -> None:
        self.now_s = 0.0
        self._random = random
        self._failed = failed
        self._timers: list[tuple[float, int, Handle]] = []
        self._active: list[Node] = []
        self._numbers = 0
        self._tasks: list[Task] = []
        self.handled = 0
        self.world = Node(self, "world")

    def node(self, name: str) -> Node:
        return Node(self, name)

    def time(self) -> float:
        return self.now_s

    def run_until(self, end_s: float, over: Callable[[], bool] = lambda: False) -> None:
        """Let everything happen until `end_s`, or until `over` after some instant."""
        asyncio._set_running_loop(self)
        try:
            while not over():
                self._run_instant()
                if not self._next_instant(end_s):
                    return
        finally:
            asyncio._set_running_loop(None)

    def _run_instant(self) -> None:
        active, random = self._active, self._random.random
        turns = 0
        while active:
            place = int(random() * len(active)) if len(active) > 1 else 0
            node = active[place]
            if node.stopped or not node.ready:
                node.listed = False
                active[place] = active[-1]
                active.pop()
                continue
            turns += 1
            if turns > TURNS_MAX:
                raise RunsInCircles(f"{node} at {self.now_s:.3f} s")
            self._run(node.ready.popleft())
        self.handled += turns

    def _run(self, handle: Handle) -> None:
        if handle.done:
            return
        try:
            handle.context.run(handle.callback, *handle.args)
        except Exception as error:
            self._failed(f"callback of {handle.node.name}", error)

    def _next_instant(self, end_s: float) -> bool:
        timers = self._timers
        while timers and (timers[0][2].done or not timers[0][2].node.alive):
            heapq.heappop(timers)
        if not timers or timers[0][0] > end_s:
            self.now_s = end_s
            return False
        self.now_s = max(self.now_s, timers[0][0])
        while timers and timers[0][0] <= self.now_s:
            self._append(heapq.heappop(timers)[2])
        return True

    def _append(self, handle: Handle) -> None:
        node = handle.node
        if node.alive:
            node.ready.append(handle)
            if not node.listed and not node.stopped:
                node.listed = True
                self._active.append(node)

    def list_ready(self, node: Node) -> None:
        if node.alive and node.ready and not node.listed:
            node.listed = True
            self._active.append(node)

    def call_soon(  # type: ignore[override]
        self, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> Handle:
        handle = Handle(callback, args, context or copy_context())
        self._append(handle)
        return handle

    call_soon_threadsafe = call_soon  # type: ignore[assignment]

    def call_later(  # type: ignore[override]
        self,
        delay: float,
        callback: Callable[..., object],
        *args: Any,
        context: Context | None = None,
    ) -> Handle:
        return self.call_at(self.now_s + max(delay, 0.0), callback, *args, context=context)

    def call_at(  # type: ignore[override]
        self,
        when: float,
        callback: Callable[..., object],
        *args: Any,
        context: Context | None = None,
    ) -> Handle:
        handle = Handle(callback, args, context or copy_context())
        handle.when_s = when
        self._numbers += 1
        heapq.heappush(self._timers, (when, self._numbers, handle))
        return handle

    def create_future(self) -> asyncio.Future[Any]:
        self._numbers += 1
        future = Future(loop=self)
        future.number = self._numbers
        return future

    def create_task(  # type: ignore[override]
        self,
        coro: Coroutine[Any, Any, Any],
        *,
        name: str | None = None,
        context: Context | None = None,
    ) -> asyncio.Task[Any]:
        self._numbers += 1
        Task.number = self._numbers
        task = Task(coro, loop=self, name=name or "task", context=context)
        task.number = self._numbers
        self._tasks.append(task)
        return task

    def run_in_executor(  # type: ignore[override]
        self, executor: Any, func: Callable[..., Any], *args: Any
    ) -> Any:
        """Work of another thread: done at once, told a little later."""
        future = self.create_future()
        try:
            result = func(*args)
        except Exception as error:
            self.call_later(self._random.random() * 0.002, _fail, future, error)
        else:
            self.call_later(self._random.random() * 0.002, _answer, future, result)
        return future

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        self._failed(str(context.get("message")), context.get("exception"))

    def get_debug(self) -> bool:
        return False


def _answer(future: asyncio.Future[Any], result: Any) -> None:
    if not future.done():
        with contextlib.suppress(asyncio.InvalidStateError):
            future.set_result(result)


def _fail(future: asyncio.Future[Any], error: BaseException) -> None:
    if not future.done():
        future.set_exception(error)
