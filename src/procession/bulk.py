"""Cancel or retry everything a filter matches, with an outcome for each process."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from msgspec import Struct

from procession import operations
from procession.caller import Caller
from procession.core.errors import Refused
from procession.core.states import FINAL, RETRIABLE, State
from procession.engine import Engine
from procession.store.store import LATEST, Filter

PROCESSES_MAX = 10_000
PAGE = 200


class BulkOutcome(Struct, frozen=True):
    """What became of one process: what was done, or the code of its refusal."""

    process_id: str
    status: str


async def bulk_cancel(
    engine: Engine,
    caller: Caller,
    wanted: Filter,
    *,
    strategy: str,
    reason: str,
    force_after_ms: int,
    dry_run: bool,
) -> tuple[int, list[BulkOutcome]]:
    """How many matched, and what became of each; at most PROCESSES_MAX that have not ended."""

    async def cancel(process_id: str) -> str:
        done = await operations.cancel(
            engine,
            caller,
            process_id,
            strategy=strategy,
            reason=reason,
            force_after_ms=force_after_ms,
        )
        return "ignored_terminal" if done.ignored else "cancel_requested"

    matching = await _matching(engine, caller, wanted, frozenset(State) - FINAL)
    return len(matching), [] if dry_run else await _each(matching, cancel)


async def bulk_retry(
    engine: Engine, caller: Caller, wanted: Filter, *, dry_run: bool
) -> tuple[int, list[BulkOutcome]]:
    """How many matched, and what became of each; at most PROCESSES_MAX that failed."""

    async def retry(process_id: str) -> str:
        await operations.retry(engine, caller, process_id)
        return "retried"

    matching = await _matching(engine, caller, wanted, RETRIABLE)
    return len(matching), [] if dry_run else await _each(matching, retry)


async def _each(process_ids: list[str], act: Callable[[str], Awaitable[str]]) -> list[BulkOutcome]:
    """A page at a time, so that the ledger takes a page in one turn and others get theirs."""

    async def outcome(process_id: str) -> BulkOutcome:
        try:
            return BulkOutcome(process_id, await act(process_id))
        except Refused as refused:
            return BulkOutcome(process_id, refused.code)

    outcomes: list[BulkOutcome] = []
    for start in range(0, len(process_ids), PAGE):
        outcomes += await asyncio.gather(*map(outcome, process_ids[start : start + PAGE]))
    return outcomes


async def _matching(
    engine: Engine, caller: Caller, wanted: Filter, states: frozenset[State]
) -> list[str]:
    words = {state.value for state in states}
    if wanted.states:
        words &= set(wanted.states)
    if not words:
        return []
    narrowed = wanted._replace(states=tuple(sorted(words)))
    found: list[str] = []
    below = LATEST
    while len(found) < PROCESSES_MAX:
        page = await operations.list_processes(engine, caller, narrowed, below, PAGE)
        found += [process.process_id for process in page]
        if len(page) < PAGE:
            break
        below = page[-1].number
    return found[:PROCESSES_MAX]
