"""Processes as their steps: the timeline of one, the list of many, whatever runs them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from msgspec import Raw

from procession import tracking
from procession.caller import Caller
from procession.core import reported, stopping
from procession.core.errors import NotFound
from procession.core.process import EMPTY, QUEUE_REPORTED, Change, Item, Process
from procession.core.reported import StepDef, StepReport
from procession.core.states import ITEM_FINAL, ItemState, State
from procession.engine import Engine
from procession.store.tracking_lists import HIDDEN_TYPE, Listing, Wanted, list_tracked
from procession.tracking import TRACKED, Definition, definition_of

STEP_ITEMS_MAX = 200
"""Of a fan-out with more items the timeline shows no times of each, but those of the whole."""
TASKS_MAX = 2_000
TEMPLATES_MAX = 1_000
CANCELLED = "cancelled by request"


class TaskOf(NamedTuple):
    """A task of a process: which of its steps, or of its items, it is about."""

    step: str | None
    item_id: str | None
    task_id: str


class StepSeen(NamedTuple):
    """A step as it stands. `state` is the word of an item; times are ms, None where unknown."""

    key: str
    label: str
    human: bool
    state: ItemState
    started_ms: int | None = None
    finished_ms: int | None = None
    detail: str = ""
    message: str = ""
    percent: float | None = None
    data: Raw = EMPTY
    error: str = ""
    task_id: str | None = None


async def find_process(engine: Engine, caller: Caller, process_id: str) -> Process:
    """A process by its caller's own id, in whichever case, or by ours; forms are none.

    Raises NotFound.
    """
    try:
        process = await tracking.find_any(engine, caller, process_id.lower())
    except NotFound:
        raise NotFound("Process not found") from None
    if process.process_type == HIDDEN_TYPE:
        raise NotFound("Process not found")
    return process


async def list_processes(
    engine: Engine, caller: Caller, wanted: Wanted, *, offset: int, limit: int
) -> Listing:
    """A page of the tenant's processes, whichever face they came through, but for forms."""
    return await list_tracked(
        engine.store.connection,
        caller.tenant_id,
        wanted._replace(search=wanted.search.lower()),
        tracked_type=TRACKED,
        offset=offset,
        limit=limit,
        pause=_let_others,
    )


async def _let_others() -> None:
    await asyncio.sleep(0)


async def list_templates(engine: Engine, caller: Caller) -> list[str]:
    """The distinct template ids of the tenant's processes, in order."""
    found = await engine.store.connection.fetch(
        "tracked_templates", tenant_id=caller.tenant_id, limit=TEMPLATES_MAX
    )
    return [row[0] for row in found]


async def cancel_process(engine: Engine, caller: Caller, process_id: str, reason: str) -> Process:
    """End it at once; one that was cancelled already stays as it is.

    Raises NotFound, WrongState for one that has ended otherwise, Overloaded.
    """
    process = await find_process(engine, caller, process_id)

    def decide(process: Process, items: Sequence[Item], now_ms: int) -> Change:
        if process.state is State.CANCELLED:
            return Change(process)
        open_items = [item for item in items if item.state not in ITEM_FINAL]
        return stopping.cancel_at_once(
            process, open_items, reason=reason or CANCELLED, now_ms=now_ms
        )

    return (await engine.ledger.change(process.process_id, decide, item_ids=None)).process


async def tasks_of(engine: Engine, processes: Sequence[Process]) -> dict[str, list[TaskOf]]:
    """By our own id of the process: its tasks, oldest first."""
    ids = [process.process_id for process in processes]
    found: dict[str, list[TaskOf]] = {process_id: [] for process_id in ids}
    rows = await engine.store.connection.fetch(
        "tasks_of_processes", process_ids=ids, limit=TASKS_MAX
    )
    for process_id, step, item_id, task_id, _ in rows:
        found[process_id].append(TaskOf(step, item_id, task_id))
    return found


async def steps_of(
    engine: Engine, process: Process, tasks: Sequence[TaskOf] = ()
) -> list[StepSeen]:
    """Every step in order, those not begun too; `tasks` as `tasks_of` gives them."""
    items: list[Item] = []
    if process.items_total <= STEP_ITEMS_MAX:
        items = await engine.store.process_items(process, limit=STEP_ITEMS_MAX)
    by_step: dict[str, list[Item]] = {}
    for item in items:
        by_step.setdefault(item.step, []).append(item)
    steps = definition_of(process).steps
    return [_seen(process, step, by_step.get(step.key, []), tasks) for step in steps]


def current_step(process: Process, definition: Definition) -> str | None:
    """The step under way, else the next one; of a failed process the step that failed."""
    states = {
        step.key: state_of(process.standing.tally.get(step.key, {})) for step in definition.steps
    }
    if process.state is State.COMPLETED:
        return None
    looked_for = (ItemState.FAILED,) if process.final else (ItemState.RUNNING, ItemState.QUEUED)
    for wanted in looked_for:
        for key, state in states.items():
            if state is wanted:
                return key
    return None


def state_of(counts: Mapping[ItemState, int]) -> ItemState:
    """How a step of several items stands: queued, running, or how it ended."""
    if counts.keys() <= {ItemState.QUEUED, ItemState.SCHEDULED}:
        return ItemState.QUEUED
    if not counts.keys() <= ITEM_FINAL:
        return ItemState.RUNNING
    for state in (ItemState.FAILED, ItemState.COMPLETED):
        if state in counts:
            return state
    return ItemState.CANCELLED


def _seen(
    process: Process, step: StepDef, items: Sequence[Item], tasks: Sequence[TaskOf]
) -> StepSeen:
    counts = process.standing.tally.get(step.key, {})
    known = {item.item_id for item in items}
    ours = [task.task_id for task in tasks if task.step == step.key or task.item_id in known]
    seen = StepSeen(step.key, step.label, step.human, state_of(counts))
    seen = seen._replace(task_id=ours[-1] if ours else None)
    if len(items) == 1:
        return _of_item(seen, process, items[0])
    if items:
        started = [item.started_ms for item in items if item.started_ms is not None]
        ended = [item.finished_ms for item in items if item.finished_ms is not None]
        errors = [item.error.message for item in items if item.error is not None]
        return seen._replace(
            started_ms=min(started, default=None),
            finished_ms=max(ended) if len(ended) == len(items) else None,
            error=errors[-1] if errors and seen.state is ItemState.FAILED else "",
        )
    now = process.standing
    error = now.error.message if now.error and seen.state is ItemState.FAILED else ""
    return seen._replace(
        started_ms=now.executing_ms, finished_ms=now.finished_ms, percent=now.percent, error=error
    )


def _of_item(seen: StepSeen, process: Process, item: Item) -> StepSeen:
    is_reported = item.queue == QUEUE_REPORTED
    said = reported.report_of(item) if is_reported else StepReport(message=process.standing.message)
    return seen._replace(
        started_ms=item.started_ms,
        finished_ms=item.finished_ms,
        detail=said.detail,
        message=said.message,
        percent=item.percent,
        data=said.data,
        error=item.error.message if item.error else "",
    )
