"""What callers are told about tasks and their links. In a list of tasks what is unknown is null."""

from __future__ import annotations

from typing import Any

from msgspec import UNSET, Struct, UnsetType


class CreatedTask(Struct, frozen=True, kw_only=True):
    """A new task; `url` is its form. `webhook_secret` is told here only."""

    task_id: str
    link_id: str
    url: str
    requires_otp: bool
    created_at: str
    webhook_secret: str | UnsetType = UNSET


class ListedTask(Struct, frozen=True, kw_only=True):
    """A task in a list."""

    task_id: str
    title: str
    status: str
    created_at: str
    completed_at: str | None
    org_id: str
    corr_id: str | None
    assignee_id: str | None
    process_id: str | None
    kind: str
    """`form`, `review` (a job's draft) or `interruption` (try again?)."""


class TaskView(ListedTask, frozen=True, kw_only=True):
    """A task: with `data` once completed; why, once it has ended otherwise."""

    correlation_key: str | None
    process_step: str | None
    template_id: str | None
    assignee_email: str | None
    expires_at: str | None
    metadata: Any
    data: Any = UNSET
    cancel_reason: str | UnsetType = UNSET
    cancelled_at: str | UnsetType = UNSET
    fail_reason: str | UnsetType = UNSET
    failed_at: str | UnsetType = UNSET
    definition: Any = UNSET


class TaskList(Struct, frozen=True):
    """A page; `total_is_estimate` is there, and true, only where there are over 10,000."""

    tasks: list[ListedTask]
    total: int
    limit: int
    offset: int
    total_is_estimate: bool | UnsetType = UNSET


class StillPending(Struct, frozen=True):
    """The wait was over first."""

    task_id: str
    status: str = "pending"
    timed_out: bool = True


class TaskTemplates(Struct, frozen=True):
    """The ids that tasks were created with."""

    templates: list[str]


class TaskLink(Struct, frozen=True, kw_only=True):
    """A link to a task's form; `status` is active, expired or revoked."""

    link_id: str
    url: str
    status: str
    requires_otp: bool
    assignee_email: str | None
    assignee_name: str | None
    assignee_phone: str | None
    created_at: str
    expires_at: str | None
    revoked_at: str | None


class TaskLinks(Struct, frozen=True):
    """The links of a task, oldest first."""

    links: list[TaskLink]


class Notified(Struct, frozen=True):
    """Whom a mail was sent."""

    task_id: str
    notified: list[str]
    escalated: bool
