"""From core values to what this face shows of a process."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from msgspec import UNSET, Raw, UnsetType

from procession.core.process import EMPTY, Process
from procession.core.states import State
from procession.engine import Engine
from procession.faces.stamps import second_stamp
from procession.faces.steps.processes_answers import Entry, Listed, ProcessShown, StepShown
from procession.faces.steps.words import STATUS, STEP_STATUS, shown_namespace
from procession.tracked import StepSeen, TaskOf, current_step, steps_of, tasks_of
from procession.tracking import TRACKED, definition_of, shown_id

T = TypeVar("T")


def listed(process: Process, tasks: Sequence[TaskOf]) -> Listed:
    """A process in a list."""
    definition = definition_of(process)
    return Listed(
        process_id=shown_id(process),
        namespace=shown_namespace(process.tenant_id, process.namespace),
        name=definition.name,
        status=STATUS[process.state],
        current_step=_known(current_step(process, definition)),
        started_at=second_stamp(process.created_ms),
        step_count=len(definition.steps),
        task_ids=[task.task_id for task in tasks],
    )


async def shown(engine: Engine, process: Process) -> ProcessShown:
    """A process with every step of it."""
    tasks = (await tasks_of(engine, [process]))[process.process_id]
    steps = await steps_of(engine, process, tasks)
    definition, now = definition_of(process), process.standing
    error = None if now.state is State.COMPLETED else now.error
    return ProcessShown(
        process_id=shown_id(process),
        namespace=shown_namespace(process.tenant_id, process.namespace),
        name=definition.name,
        status=STATUS[process.state],
        current_step=_known(current_step(process, definition)),
        started_at=second_stamp(process.created_ms),
        completed_at=_stamped(now.finished_ms),
        task_ids=[task.task_id for task in tasks],
        step_defs=[StepShown(step.key, step.label, step.human) for step in definition.steps],
        timeline=[entry(step) for step in steps],
        description=definition.description or UNSET,
        template_id=definition.template_id or UNSET,
        metadata=dict(definition.metadata) or UNSET,
        error=error.message if error and process.final else UNSET,
        error_category=error.category if error and process.final else UNSET,
        summary=_summary(process),
    )


def entry(step: StepSeen) -> Entry:
    """A line of the timeline."""
    took = UNSET if step.started_ms is None or step.finished_ms is None else step.finished_ms
    return Entry(
        step=step.key,
        label=step.label,
        status=STEP_STATUS[step.state],
        human=step.human,
        started_at=_stamped(step.started_ms),
        completed_at=_stamped(step.finished_ms),
        duration_ms=UNSET if took is UNSET else max(0, took - (step.started_ms or 0)),
        detail=step.detail or UNSET,
        progress_message=step.message or UNSET,
        progress_percent=_known(step.percent),
        data=UNSET if _is_empty(step.data) else step.data,
        task_id=_known(step.task_id),
        error=step.error or UNSET,
    )


def _summary(process: Process) -> Raw | UnsetType:
    """Of a tracked process what was reported, of any other what it resulted in."""
    ended = process.state is State.COMPLETED or (process.final and process.process_type != TRACKED)
    result = process.standing.result
    return result if ended and not _is_empty(result) else UNSET


def _is_empty(raw: Raw) -> bool:
    return bytes(raw) in (bytes(EMPTY), b"null", b"")


def _known(value: T | None) -> T | UnsetType:
    return UNSET if value is None else value


def _stamped(at_ms: int | None) -> str | UnsetType:
    return UNSET if at_ms is None else second_stamp(at_ms)
