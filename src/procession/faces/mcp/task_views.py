"""From a task as it is kept to what a tool shows of it."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from msgspec import UNSET, UnsetType
from msgspec.json import decode

from procession import links, tasks, tracking
from procession.faces.mcp.answers import TaskLine, TaskShown
from procession.faces.mcp.tools import Call
from procession.faces.stamps import second_stamp
from procession.faces.steps.task_views import file_entries
from procession.files.keys import FileMissing
from procession.links import LinkRead
from procession.tasks import TaskRead


async def shown(call: Call, task: TaskRead, *, waited: bool = False) -> TaskShown:
    """The whole task, `waited` after a wait for its end."""
    pending, completed = task.state == tasks.PENDING, task.state == "completed"
    link = await _live_link(call, task)
    outcome = decode(task.outcome)
    return TaskShown(
        task_id=task.task_id,
        title=task.title,
        status=task.state,  # type: ignore[arg-type]
        kind=task.kind,  # type: ignore[arg-type]
        created_at=second_stamp(task.created_ms),
        url=f"{call.address}/t/{link.link_id}" if link else UNSET,
        requires_otp=link.needs_code if link else UNSET,
        completed_at=_ended(task, "completed"),
        cancelled_at=_ended(task, "cancelled"),
        failed_at=_ended(task, "failed"),
        expires_at=_stamp(task.expires_ms),
        assignee_email=task.assignee_email or UNSET,
        correlation_key=task.correlation_key or UNSET,
        template_id=task.template_id or UNSET,
        process_id=await _process_id(call, task),
        process_step=task.about_step or UNSET,
        data=await _data(call, outcome) if completed else UNSET,
        reason=UNSET if pending or completed else _reason(outcome),
        timed_out=pending if waited else UNSET,
    )


def line(task: TaskRead) -> TaskLine:
    """A task in a list."""
    return TaskLine(
        task_id=task.task_id,
        title=task.title,
        status=task.state,  # type: ignore[arg-type]
        kind=task.kind,
        created_at=second_stamp(task.created_ms),
        completed_at=_ended(task, "completed"),
        correlation_key=task.correlation_key or UNSET,
    )


async def _live_link(call: Call, task: TaskRead) -> LinkRead | None:
    if task.state != tasks.PENDING:
        return None
    now_ms = call.engine.now_ms()
    found = await links.list_links(call.engine, call.caller, task.process_id, task.task_id)
    return next((link for link in found if link.is_live(now_ms)), None)


async def _process_id(call: Call, task: TaskRead) -> str | UnsetType:
    """By the id its callers know it by: of a draft the job; unset once it is gone."""
    own = None if task.kind == "form" else task.process_id
    process_id = task.about_process_id or own
    process = await call.engine.store.process(process_id) if process_id else None
    return UNSET if process is None else tracking.shown_id(process)


async def _data(call: Call, outcome: Any) -> dict[str, Any]:
    """The answers; files with an address where they can be read for a while."""
    for entry in file_entries(outcome):
        with suppress(FileMissing):
            entry["url"] = await call.file_address(entry["key"])
    return outcome if isinstance(outcome, dict) else {"result": outcome}


def _reason(outcome: Any) -> str:
    return str(outcome.get("reason", "")) if isinstance(outcome, dict) else ""


def _ended(task: TaskRead, state: str) -> str | UnsetType:
    return _stamp(task.finished_ms) if task.state == state else UNSET


def _stamp(at_ms: int | None) -> str | UnsetType:
    return UNSET if at_ms is None else second_stamp(at_ms)
