"""What the tools answer; each is also the output schema a client may check it by."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

TaskStatus = Literal["pending", "completed", "cancelled", "failed"]
ProcessStatus = Literal["running", "completed", "failed"]
StepStatus = Literal["pending", "running", "completed", "failed", "cancelled"]
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


class StepShown(Struct, kw_only=True):
    """A step, in its process's order."""

    step: str
    label: str
    status: StepStatus
    human: bool
    started_at: Stamp | UnsetType = UNSET
    completed_at: Stamp | UnsetType = UNSET
    duration_ms: int | UnsetType = UNSET
    detail: str | UnsetType = UNSET
    progress_message: str | UnsetType = UNSET
    progress_percent: float | UnsetType = UNSET
    task_id: Annotated[str, Meta(description="Who does it was asked so.")] | UnsetType = UNSET
    error: str | UnsetType = UNSET


class ProcessShown(Struct, kw_only=True):
    """A process with its steps."""

    process_id: str
    namespace: str
    name: str
    status: ProcessStatus
    started_at: Stamp
    timeline: list[StepShown]
    task_ids: list[str]
    current_step: str | UnsetType = UNSET
    completed_at: Stamp | UnsetType = UNSET
    description: str | UnsetType = UNSET
    template_id: str | UnsetType = UNSET
    metadata: dict[str, str] | UnsetType = UNSET
    error: str | UnsetType = UNSET
    error_category: str | UnsetType = UNSET
    summary: Any | UnsetType = UNSET
    timed_out: (
        Annotated[
            bool, Meta(description="The wait was over first; wait again with wait_for_process.")
        ]
        | UnsetType
    ) = UNSET


class ProcessLine(Struct, kw_only=True):
    """A process in a list."""

    process_id: str
    namespace: str
    name: str
    status: ProcessStatus
    started_at: Stamp
    current_step: str | UnsetType = UNSET


class ProcessList(Struct, kw_only=True):
    """Newest first."""

    processes: list[ProcessLine]
    total: int
    limit: int
    offset: int
    total_is_estimate: Annotated[bool, Meta(description="There are about so many.")] | UnsetType = (
        UNSET
    )
