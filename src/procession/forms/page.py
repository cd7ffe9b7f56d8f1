"""The pages that people see: a form, a code, a message, a process. No asset comes from outside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from procession.forms import showing
from procession.forms.blocks import AnyBlock, AnyField, FileField, Input
from procession.forms.definition import NONCE_FIELD
from procession.forms.views import CodeView, FormView, MessageKind, MessageView, ProcessView

if TYPE_CHECKING:
    from jinja2 import Environment

STATUS_WORDS = {
    "pending": "Not started",
    "running": "Running",
    "completed": "Completed",
    "failed": "Failed",
    "cancelled": "Cancelled",
}


class Message(Struct, frozen=True):
    """What a message page says, and the HTTP status it belongs to."""

    title: str
    text: str
    tone: str
    status: int


MESSAGES: Mapping[MessageKind, Message] = {
    "done": Message(
        "Thank you", "Your answers have been sent. You can close this page.", "good", 200
    ),
    "used": Message(
        "Already answered",
        "This form has been answered, so there is nothing left to do here. If an answer must be"
        " changed, tell the person who sent you the link.",
        "good",
        410,
    ),
    "expired": Message(
        "This link has expired",
        "It can no longer be used. Ask the person who sent it to you for a new link.",
        "warn",
        410,
    ),
    "revoked": Message(
        "This link is no longer valid",
        "It was withdrawn. If you still need it, ask the person who sent it to you for a new one.",
        "bad",
        410,
    ),
    "unknown": Message(
        "This link does not work",
        "Check that the whole address was copied, or ask the person who sent it to you to send it"
        " again.",
        "bad",
        404,
    ),
    "cancelled": Message(
        "No longer needed",
        "This request was cancelled. You do not have to do anything.",
        "warn",
        410,
    ),
    "failed": Message(
        "This request has ended",
        "It could not be finished and takes no more answers. Ask the person who sent it to you.",
        "bad",
        410,
    ),
    "rate_limited": Message(
        "Too many tries",
        "To keep this page safe it is closed for a while. Please wait and try again later.",
        "warn",
        429,
    ),
    "trouble": Message(
        "This did not work",
        "Please wait a moment, then go back and try again.",
        "warn",
        500,
    ),
}


class Part(Struct, frozen=True):
    """A block, and what its field needs when it asks for one."""

    block: AnyBlock
    field: AnyField | None = None
    id: str = ""
    value: object = None
    fault: str = ""


class StepParts(Struct, frozen=True):
    """A step with its parts made ready."""

    title: str
    description_mdsvex: str | None
    parts: Sequence[Part]


class Fault(Struct, frozen=True):
    """A line of the summary; without `id` there is no field to go to."""

    label: str
    message: str
    id: str


def render_form(view: FormView) -> str:
    """The page of a form; with faults when there are any, beside their fields and summed up."""
    ids = {field.name: f"field-{n}" for n, field in enumerate(view.definition.fields)}
    faults = _faults(view, ids)
    return _rendered(
        "form.html",
        view,
        filters=showing.addresses(view.origin, view.file_address),
        steps=_steps(view, ids),
        faults=faults,
        fields_at_fault=any(fault.id for fault in faults),
        has_files=any(isinstance(field, FileField) for field in view.definition.fields),
    )


def render_message(kind: MessageKind, view: MessageView) -> str:
    """A page that says one thing; its HTTP status is `MESSAGES[kind].status`."""
    return _rendered("message.html", view, message=MESSAGES[kind])


def render_code(view: CodeView) -> str:
    """The page that asks for a one-time code."""
    return _rendered("code.html", view)


def render_process(view: ProcessView) -> str:
    """The read-only page of a process."""
    return _rendered("process.html", view, words=STATUS_WORDS)


def security_headers(csp_nonce: str) -> dict[str, str]:
    """Headers of every page. The nonce is new for each answer, base64 or hex."""
    policy = {
        "default-src": "'none'",
        "script-src": f"'nonce-{csp_nonce}'",
        "style-src": f"'nonce-{csp_nonce}'",
        "img-src": "'self' data:",
        "connect-src": "'self'",
        "form-action": "'self'",
        "base-uri": "'none'",
        "frame-ancestors": "'none'",
    }
    return {
        "Content-Type": "text/html; charset=utf-8",
        "Content-Security-Policy": "; ".join(f"{key} {value}" for key, value in policy.items()),
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "no-store",
    }


def _steps(view: FormView, ids: Mapping[str, str]) -> list[StepParts]:
    faults = dict(reversed(view.faults))
    return [
        StepParts(
            step.title,
            step.description_mdsvex,
            [_part(block, view.data, faults, ids) for block in step.blocks],
        )
        for step in view.definition.steps
    ]


def _part(
    block: AnyBlock, data: Mapping[str, Any], faults: Mapping[str, str], ids: Mapping[str, str]
) -> Part:
    if not isinstance(block, Input):
        return Part(block)
    name = block.field.name
    fault = showing.sentence(faults[name]) if name in faults else ""
    return Part(block, block.field, ids[name], data.get(name), fault)


def _faults(view: FormView, ids: Mapping[str, str]) -> list[Fault]:
    """In the order of the form, so that the first link leads to the first field."""
    labels = {field.name: field.label for field in view.definition.fields}
    order = {name: place for place, name in enumerate(ids)}
    faults = sorted(view.faults, key=lambda fault: order.get(fault[0], len(order)))
    return [Fault(labels.get(name, name), text, ids.get(name, "")) for name, text in faults]


def _rendered(
    template: str, view: object, filters: Mapping[str, Any] | None = None, **parts: Any
) -> str:
    return (
        _pages()
        .get_template(template)
        .render(view=view, nonce_field=NONCE_FIELD, **(filters or {}), **parts)
    )


@cache
def _pages() -> Environment:
    """Made with the first page: few servers show any in their first second."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    from procession.forms.markdown import to_html

    pages = Environment(
        loader=PackageLoader("procession.forms", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    pages.filters.update(
        markdown=to_html,
        plain=showing.plain,
        kept=showing.kept,
        drawn=showing.drawn,
        bytes=showing.byte_words,
        accepted=showing.accepted,
        duration=showing.duration,
        moment=showing.moment,
        site=showing.site,
    )
    return pages
