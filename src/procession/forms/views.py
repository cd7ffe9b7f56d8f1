"""What each page is given to show."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

from msgspec import Struct

from procession.forms.blocks import Definition

MessageKind = Literal[
    "done",
    "used",
    "expired",
    "revoked",
    "unknown",
    "cancelled",
    "failed",
    "rate_limited",
    "trouble",
]
Status = Literal["pending", "running", "completed", "failed", "cancelled"]


def same_address(address: str) -> str | None:
    """Shows the server's own files under the address that the form names."""
    return address


class FormView(Struct, frozen=True, kw_only=True):
    """A form to fill in. `data` holds answers to show again, `faults` (field's name, message).

    A fault with an empty name concerns the whole form: its message is shown alone.

    `csp_nonce` is the one that `security_headers` was given; `nonce` comes back in the field
    `definition.NONCE_FIELD`. `file_address` turns the address of an own file (`/api/v1/files/…`)
    into one that the reader may fetch, None when it is no more; `origin` (`https://host`) lets
    whole addresses of own files be known as such.
    """

    definition: Definition
    action: str
    csp_nonce: str
    nonce: str
    data: Mapping[str, Any] = {}
    faults: Sequence[tuple[str, str]] = ()
    sender: str = ""
    note: str = ""
    button: str = "Send"
    origin: str = ""
    file_address: Callable[[str], str | None] = same_address


class MessageView(Struct, frozen=True, kw_only=True):
    """A page that says one thing; `about` is the task's title, `detail` a sentence more."""

    csp_nonce: str
    about: str = ""
    detail: str = ""


class CodeView(Struct, frozen=True, kw_only=True):
    """Asks for a one-time code, posted as `code`; `sent_to` is the address as it may be shown.

    An empty `resend_action` offers no new code.
    """

    action: str
    resend_action: str
    csp_nonce: str
    nonce: str
    about: str = ""
    sent_to: str = ""
    fault: str = ""
    tries_left: int | None = None
    valid_minutes: int = 10


class StepView(Struct, frozen=True, kw_only=True):
    """One step of a timeline."""

    label: str
    status: Status
    human: bool = False
    duration_ms: int | None = None
    detail: str | None = None
    progress_message: str | None = None
    progress_percent: float | None = None
    error: str | None = None


class ProcessView(Struct, frozen=True, kw_only=True):
    """A process to look at only; times as on the wire (`2030-01-31T12:00:00Z`)."""

    name: str
    status: Status
    timeline: Sequence[StepView]
    address: str
    seen_at: str
    csp_nonce: str
    sender: str = ""
    description: str | None = None
    started_at: str | None = None
    completed_at: str | None = None
    error: str | None = None
    summary: str | None = None
