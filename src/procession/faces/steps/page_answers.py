"""Pages as answers: their headers, and what is said where something was refused."""

from __future__ import annotations

import secrets
from collections.abc import Callable

from procession.codes import CodesExhausted
from procession.core.errors import NotFound, Overloaded
from procession.faces import problem
from procession.faces.endpoint import (
    Answer,
    Headers,
    MethodNotAllowed,
    PathUnknown,
    RateLimited,
)
from procession.faces.steps.refusals import status_of
from procession.forms.page import MESSAGES, render_message, security_headers
from procession.forms.views import MessageKind, MessageView
from procession.links import LinkGone

_CONTENT_TYPE = b"text/html; charset=utf-8"
_SERVER_ERROR = 500


def page(render: Callable[[str], str], status: int = 200, headers: Headers = ()) -> Answer:
    """A page; `render` is given the nonce of its policy."""
    nonce = secrets.token_hex(16)
    policy = tuple(
        (name.lower().encode(), value.encode())
        for name, value in security_headers(nonce).items()
        if name != "Content-Type"
    )
    return Answer(status, render(nonce).encode(), (*policy, *headers), _CONTENT_TYPE)


def message(
    kind: MessageKind,
    about: str = "",
    detail: str = "",
    *,
    status: int | None = None,
    headers: Headers = (),
) -> Answer:
    """A page that says one thing."""
    return page(
        lambda nonce: render_message(
            kind, MessageView(csp_nonce=nonce, about=about, detail=detail)
        ),
        MESSAGES[kind].status if status is None else status,
        headers,
    )


def refusal_page(error: Exception) -> Answer:
    """What the reader of a page is told."""
    status = status_of(error)
    headers = problem.headers_of(status)
    match error:
        case LinkGone():
            return message(error.why)
        case PathUnknown() | NotFound():
            return message("unknown")
        case CodesExhausted() | RateLimited():
            return message("rate_limited", headers=headers)
        case MethodNotAllowed():
            allow = (b"allow", error.allow.encode())
            return message("trouble", status=status, headers=(*headers, allow))
        case Overloaded():
            return message("trouble", status=status, headers=headers)
    detail = str(error) if status < _SERVER_ERROR else ""
    return message("trouble", detail=detail, status=status, headers=headers)
