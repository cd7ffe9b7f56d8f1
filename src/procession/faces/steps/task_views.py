"""From rows of the inbox to what callers see."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec.json import decode
from msgspec.structs import replace

from procession.engine import Engine
from procession.faces.stamps import second_stamp
from procession.faces.steps.task_answers import ListedTask, TaskLink, TaskView
from procession.faces.steps.words import org_id_of
from procession.links import LinkRead
from procession.tasks import Asked, TaskRead
from procession.tracking import shown_id


def stamp_or_null(at_ms: int | None) -> str | None:
    return None if at_ms is None else second_stamp(at_ms)


async def shown_processes(engine: Engine, tasks: Sequence[TaskRead]) -> dict[str, str]:
    """What callers call the processes that these tasks belong to, by our ids."""
    wanted = sorted({task.about_process_id for task in tasks if task.about_process_id})
    found = await engine.store.processes(wanted) if wanted else []
    return {process.process_id: shown_id(process) for process in found}


def listed(task: TaskRead, shown: Mapping[str, str]) -> ListedTask:
    """A task in a list; a draft's process is the job's own."""
    return ListedTask(**_listed(task, shown))


def _listed(task: TaskRead, shown: Mapping[str, str]) -> dict[str, Any]:
    process_id: str | None = task.process_id
    if task.kind == "form":
        process_id = shown.get(task.about_process_id or "")
    return {
        "task_id": task.task_id,
        "title": task.title,
        "status": task.state,
        "created_at": second_stamp(task.created_ms),
        "completed_at": stamp_or_null(task.finished_ms) if task.state == "completed" else None,
        "org_id": org_id_of(task.tenant_id),
        "corr_id": task.correlation_key,
        "assignee_id": assignee_id_of(task),
        "process_id": process_id,
        "kind": task.kind,
    }


def assignee_id_of(task: TaskRead) -> str | None:
    """A member's number, or the address of somebody from outside."""
    return task.assignee_email if task.person_id is None else str(task.person_id)


def task_view(task: TaskRead, shown: Mapping[str, str], asked: Asked | None) -> TaskView:
    """A task in full, without the addresses of its files."""
    view = TaskView(
        **_listed(task, shown),
        correlation_key=task.correlation_key,
        process_step=task.about_step,
        template_id=task.template_id,
        assignee_email=task.assignee_email,
        expires_at=stamp_or_null(task.expires_ms),
        metadata=asked.metadata if asked else None,
    )
    outcome = decode(task.outcome)
    match task.state:
        case "completed":
            return replace(view, data=outcome)
        case "cancelled":
            ended_at = second_stamp(task.finished_ms or 0)
            return replace(view, cancel_reason=_reason(outcome), cancelled_at=ended_at)
        case "failed":
            ended_at = second_stamp(task.finished_ms or 0)
            return replace(view, fail_reason=_reason(outcome), failed_at=ended_at)
    return view


def _reason(outcome: Any) -> str:
    return str(outcome.get("reason", "")) if isinstance(outcome, dict) else ""


def file_entries(data: Any) -> list[dict[str, Any]]:
    """The files in the answers to a form; no other kind of field is answered with objects."""
    values = data.values() if isinstance(data, dict) else ()
    entries = [one for value in values for one in (value if isinstance(value, list) else [value])]
    return [one for one in entries if isinstance(one, dict) and isinstance(one.get("key"), str)]


def link_view(link: LinkRead, url: str, now_ms: int) -> TaskLink:
    """A link as its maker sees it."""
    status = "revoked" if link.revoked_ms is not None else "expired"
    return TaskLink(
        link_id=link.link_id,
        url=url,
        status="active" if link.is_live(now_ms) else status,
        requires_otp=link.needs_code,
        assignee_email=link.email,
        assignee_name=link.name,
        assignee_phone=link.phone,
        created_at=second_stamp(link.created_ms),
        expires_at=stamp_or_null(link.expires_ms),
        revoked_at=stamp_or_null(link.revoked_ms),
    )
