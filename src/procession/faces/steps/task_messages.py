"""What callers send about tasks and their links."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from uuid import UUID

from msgspec import Meta, Struct

from procession.links import EXPIRES_S_MAX, EXPIRES_S_MIN

PAGE_MAX = 200
PAGE_DEFAULT = 50
OFFSET_MAX = 1_000_000
WAIT_S_MAX = 300.0
NAME_CHARS_MAX = 200
KEY_CHARS_MAX = 200
MARK_KEY_CHARS_MAX = 100
MARKS_MAX = 50
REASON_CHARS_MAX = 500
PHONE_CHARS_MAX = 40
EMAIL_CHARS_MAX = 254
SEARCH_CHARS_MAX = 200

Title = Annotated[str, Meta(min_length=1, max_length=200)]
Key = Annotated[str, Meta(min_length=1, max_length=KEY_CHARS_MAX)]
Word = Annotated[str, Meta(max_length=KEY_CHARS_MAX)]
Name = Annotated[str, Meta(max_length=NAME_CHARS_MAX)]
Phone = Annotated[str, Meta(max_length=PHONE_CHARS_MAX)]
Email = Annotated[str, Meta(min_length=1, max_length=EMAIL_CHARS_MAX)]
MarkKey = Annotated[str, Meta(min_length=1, max_length=MARK_KEY_CHARS_MAX)]
Marks = Annotated[dict[MarkKey, Any], Meta(max_length=MARKS_MAX)]
ExpiresIn = Annotated[int, Meta(ge=EXPIRES_S_MIN, le=EXPIRES_S_MAX, description="Seconds.")]
Status = Literal["pending", "completed", "cancelled", "failed"]


class NewTaskMessage(Struct, frozen=True, kw_only=True):
    """A form to be filled in. `metadata` may be called `payload`, `correlation_key` `corr_id`."""

    title: Title
    steps: Annotated[list[Any], Meta(min_length=1, description="The form: see docs/forms.md.")]
    instructions_mdsvex: str | None = None
    task_id: UUID | None = None
    template_id: Key | None = None
    metadata: Marks | None = None
    payload: Marks | None = None
    assignee_member_id: Key | int | None = None
    assignee_email: Email | None = None
    assignee_name: Name | None = None
    assignee_phone: Phone | None = None
    require_otp: bool | None = None
    expires_in: ExpiresIn | None = None
    sinks: list[Any] | None = None
    correlation_key: Key | None = None
    corr_id: Key | None = None
    process_id: Key | None = None
    process_step: Key | None = None


class CompleteMessage(Struct, frozen=True):
    """A person's answer: a value by each field's name."""

    data: dict[str, Any]


class CancelMessage(Struct, frozen=True):
    """Why nobody is asked any more."""

    reason: Annotated[str, Meta(max_length=REASON_CHARS_MAX)] | None = None


class NewLinkMessage(Struct, frozen=True, kw_only=True):
    """For whom a link is; without an address it takes no code."""

    assignee_email: Email | None = None
    assignee_name: Name | None = None
    assignee_phone: Phone | None = None
    require_otp: bool | None = None
    expires_in: ExpiresIn | None = None


class TasksQuery(Struct, frozen=True):
    """All combinable, and with `meta.<key>`; `assignee` is a member's id, `me`, or an address."""

    status: Status | None = None
    search: Annotated[str, Meta(max_length=SEARCH_CHARS_MAX)] = ""
    sort: Literal["newest", "oldest"] = "newest"
    assignee: Annotated[str, Meta(max_length=EMAIL_CHARS_MAX)] = ""
    unassigned: bool = False
    process_id: Word = ""
    template_id: Word = ""
    correlation_key: Word = ""
    corr_id: Word = ""
    limit: Annotated[int, Meta(ge=1, le=PAGE_MAX)] = PAGE_DEFAULT
    offset: Annotated[int, Meta(ge=0, le=OFFSET_MAX)] = 0


class TaskQuery(Struct, frozen=True):
    """Whether the form is shown too."""

    include_definition: bool = False


class WaitQuery(Struct, frozen=True):
    """How many seconds to wait at most."""

    timeout: Annotated[float, Meta(ge=0, le=WAIT_S_MAX)] = WAIT_S_MAX


class NotifyQuery(Struct, frozen=True):
    """Whether those are told who look after what nobody answers."""

    escalate: bool = False


class LinkQuery(Struct, frozen=True):
    """Which link."""

    link_id: str = ""
