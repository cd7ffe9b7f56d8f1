"""Waits that say every few seconds that they still wait, and never last longer than asked."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from procession import operations, tasks
from procession.core.process import Process
from procession.faces.mcp.tools import Call
from procession.faces.mcp.words import PROGRESS_MS
from procession.tasks import TaskRead

T = TypeVar("T")


async def task_ended(call: Call, task_id: str, wait_s: int) -> TaskRead:
    """The task once it has ended, or as it is when the wait is over. Raises NotFound."""

    async def look(wait_ms: int) -> TaskRead:
        return await tasks.wait_for_task(call.engine, call.caller, task_id, wait_ms)

    why = "waiting for a person"
    return await _until(call, wait_s, look, lambda task: task.state != tasks.PENDING, why)


async def process_ended(call: Call, process: Process, wait_s: int) -> Process:
    """As `task_ended`, for a process."""
    seen = process

    async def look(wait_ms: int) -> Process:
        nonlocal seen
        newer = await operations.wait_for(
            call.engine, call.caller, seen.process_id, seen.version, wait_ms
        )
        seen = newer or seen
        return seen

    return await _until(call, wait_s, look, lambda now: now.final, "waiting for its end")


async def _until(
    call: Call,
    wait_s: int,
    look: Callable[[int], Awaitable[T]],
    ended: Callable[[T], bool],
    why: str,
) -> T:
    clock = call.engine.now_ms
    began_ms = tell_ms = clock()
    ends_ms = began_ms + 1_000 * wait_s
    found = await look(0)
    while not ended(found):
        now_ms = clock()
        if now_ms >= ends_ms or call.engine.wakeup.closing:
            break
        if now_ms >= tell_ms:
            await call.progress((now_ms - began_ms) / 1_000, wait_s, why)
            tell_ms = now_ms + PROGRESS_MS
        found = await look(min(ends_ms, tell_ms) - now_ms)
    return found
