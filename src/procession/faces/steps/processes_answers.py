"""Answers about processes, keys in the contract's order; what is absent is left out."""

from __future__ import annotations

from typing import Any

from msgspec import UNSET, Raw, Struct, UnsetType


class Listed(Struct, frozen=True, kw_only=True):
    """A process in a list."""

    process_id: str
    namespace: str
    name: str
    status: str
    current_step: str | UnsetType = UNSET
    started_at: str
    step_count: int
    task_ids: list[str]


class ProcessList(Struct, frozen=True, kw_only=True):
    """A page; `total_is_estimate` is there, and true, only where there are too many to count."""

    processes: list[Listed]
    total: int
    limit: int
    offset: int
    total_is_estimate: bool | UnsetType = UNSET


class StepShown(Struct, frozen=True):
    """A step as its process was created with it."""

    key: str
    label: str
    human: bool


class Entry(Struct, frozen=True, kw_only=True):
    """A step as it stands."""

    step: str
    label: str
    status: str
    human: bool
    started_at: str | UnsetType = UNSET
    completed_at: str | UnsetType = UNSET
    duration_ms: int | UnsetType = UNSET
    detail: str | UnsetType = UNSET
    progress_message: str | UnsetType = UNSET
    progress_percent: float | UnsetType = UNSET
    data: Raw | UnsetType = UNSET
    task_id: str | UnsetType = UNSET
    error: str | UnsetType = UNSET


class ProcessShown(Struct, frozen=True, kw_only=True):
    """A process with its timeline."""

    process_id: str
    namespace: str
    name: str
    status: str
    current_step: str | UnsetType = UNSET
    started_at: str
    completed_at: str | UnsetType = UNSET
    task_ids: list[str]
    step_defs: list[StepShown]
    timeline: list[Entry]
    description: str | UnsetType = UNSET
    template_id: str | UnsetType = UNSET
    metadata: dict[str, Any] | UnsetType = UNSET
    error: str | UnsetType = UNSET
    error_category: str | UnsetType = UNSET
    summary: Raw | UnsetType = UNSET


class Created(Struct, frozen=True):
    """A process that was just created."""

    process_id: str
    namespace: str
    name: str
    started_at: str


class Updated(Struct, frozen=True):
    """An update that was taken."""

    process_id: str
    update_type: str
    timestamp: str


class Templates(Struct, frozen=True):
    """The distinct template ids, in order."""

    templates: list[str]


class LinkShown(Struct, frozen=True, kw_only=True):
    """A link; `status` is active, expired or revoked."""

    link_id: str
    url: str
    process_id: str
    status: str
    requires_otp: bool
    assignee_email: str | UnsetType = UNSET
    assignee_name: str | UnsetType = UNSET
    assignee_phone: str | UnsetType = UNSET
    created_at: str
    expires_at: str | UnsetType = UNSET
    revoked_at: str | UnsetType = UNSET


class Links(Struct, frozen=True):
    """All links to a process, oldest first."""

    links: list[LinkShown]
