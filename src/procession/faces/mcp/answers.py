"""What the tools answer; each is also the output schema a client may check it by."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from procession.faces.steps.processes_answers import ProcessShown

TaskStatus = Literal["pending", "completed", "cancelled", "failed"]
Stamp = Annotated[str, Meta(description="ISO-8601, UTC.")]


class TaskShown(Struct, kw_only=True):
    """A task: what a person is asked, and what they answered."""

    task_id: str
    title: str
    status: TaskStatus
    kind: Annotated[
        Literal["form", "review", "interruption"],
        Meta(description="A form, a draft of a job, or a run that was interrupted."),
    ]
    created_at: Stamp
    url: Annotated[str, Meta(description="Where the person answers; give it to them.")] | (
        UnsetType
    ) = UNSET
    requires_otp: bool | UnsetType = UNSET
    completed_at: Stamp | UnsetType = UNSET
    cancelled_at: Stamp | UnsetType = UNSET
    failed_at: Stamp | UnsetType = UNSET
    expires_at: Stamp | UnsetType = UNSET
    assignee_email: str | UnsetType = UNSET
    correlation_key: str | UnsetType = UNSET
    template_id: str | UnsetType = UNSET
    process_id: str | UnsetType = UNSET
    process_step: str | UnsetType = UNSET
    data: Annotated[dict[str, Any], Meta(description="The answers by field, once completed.")] | (
        UnsetType
    ) = UNSET
    reason: Annotated[str, Meta(description="Why it ended otherwise.")] | UnsetType = UNSET
    timed_out: (
        Annotated[bool, Meta(description="The wait was over first; wait again with wait_for_task.")]
        | UnsetType
    ) = UNSET


class TaskLine(Struct, kw_only=True):
    """A task in a list."""

    task_id: str
    title: str
    status: TaskStatus
    kind: str
    created_at: Stamp
    completed_at: Stamp | UnsetType = UNSET
    correlation_key: str | UnsetType = UNSET


class TaskList(Struct, kw_only=True):
    """Newest first."""

    tasks: list[TaskLine]
    total: Annotated[int, Meta(description="How many there are, up to 10,000.")]
    limit: int
    offset: int


class ProcessFollowed(ProcessShown, kw_only=True, frozen=True):
    """A process with its timeline."""

    timed_out: (
        Annotated[
            bool, Meta(description="The wait was over first; wait again with wait_for_process.")
        ]
        | UnsetType
    ) = UNSET
