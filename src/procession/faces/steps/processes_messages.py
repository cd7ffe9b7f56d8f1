"""Bodies and queries about processes: the wire types, with every limit."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Raw, Struct, field

from procession.core.process import EMPTY

NUMBER_MAX = 2**53
PAGE_MAX = 200
PAGE_DEFAULT = 50
STEPS_MAX = 200
METADATA_MAX = 50
EXPIRES_S_MIN = 60
EXPIRES_S_MAX = 2_592_000

Uuid = Annotated[
    str,
    Meta(
        pattern="^[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12}$",
        extra_json_schema={"format": "uuid"},
    ),
]
Namespace = Annotated[str, Meta(min_length=1, max_length=100, pattern="^[A-Za-z0-9.-]+$")]
Key = Annotated[str, Meta(min_length=1, max_length=100)]
Label = Annotated[str, Meta(min_length=1, max_length=200)]
Line = Annotated[str, Meta(max_length=1_000)]
Text = Annotated[str, Meta(max_length=10_000)]
Metadata = Annotated[
    dict[
        Annotated[str, Meta(min_length=1, max_length=100)],
        Annotated[str, Meta(max_length=500)],
    ],
    Meta(max_length=METADATA_MAX),
]
Anything = Annotated[Raw, Meta(description="Any JSON value.")]


def _nothing() -> Raw:
    return EMPTY


class StepBody(Struct, frozen=True):
    """A step of a new process; `human` when a person does it."""

    key: Key
    label: Label
    human: bool | None = None
    continue_on_failure: bool | None = None


class CreateProcess(Struct, frozen=True):
    """A process whose steps will be reported; `process_id` is the caller's own."""

    namespace: Namespace
    name: Label
    steps: Annotated[list[StepBody], Meta(min_length=1, max_length=STEPS_MAX)]
    description: Text | None = None
    process_id: Uuid | None = None
    template_id: Label | None = None
    metadata: Metadata | None = None


UpdateType = Literal[
    "step_started", "step_completed", "step_failed", "progress", "completed", "failed"
]


class UpdateProcess(Struct, frozen=True):
    """What happened; which fields are needed depends on `type`."""

    type: UpdateType
    step: Key | None = None
    detail: Text | None = None
    data: Anything = field(default_factory=_nothing)
    error: Annotated[str, Meta(min_length=1, max_length=10_000)] | None = None
    message: Line | None = None
    percent: Annotated[float, Meta(ge=0, le=100)] | None = None
    summary: Anything = field(default_factory=_nothing)


class CancelProcess(Struct, frozen=True):
    """Why it is cancelled, for whoever reads it later."""

    reason: Line | None = None


class ShareProcess(Struct, frozen=True):
    """Who may look at the process by a link; `expires_in` in seconds."""

    assignee_email: Annotated[str, Meta(min_length=3, max_length=254, pattern=r"^[^@\s]+@[^@\s]+$")]
    assignee_name: Annotated[str, Meta(max_length=200)] | None = None
    assignee_phone: Annotated[str, Meta(max_length=50)] | None = None
    require_otp: bool | None = None
    expires_in: Annotated[int, Meta(ge=EXPIRES_S_MIN, le=EXPIRES_S_MAX)] | None = None


class ListQuery(Struct, frozen=True):
    """All combinable, also with `meta.<key>=<value>`; `search` is a part of the name."""

    status: Literal["running", "completed", "failed", ""] = ""
    namespace: Annotated[str, Meta(max_length=200)] = ""
    search: Annotated[str, Meta(max_length=200)] = ""
    template_id: Annotated[str, Meta(max_length=200)] = ""
    sort: Literal["newest", "oldest", ""] = ""
    limit: Annotated[int, Meta(ge=1, le=PAGE_MAX)] = PAGE_DEFAULT
    offset: Annotated[int, Meta(ge=0, le=NUMBER_MAX)] = 0


class LinkQuery(Struct, frozen=True):
    """Which link is meant."""

    link_id: Annotated[str, Meta(max_length=64)] = ""
