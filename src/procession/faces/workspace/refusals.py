"""Refusals in this face's words: `{"message", "errors"}`."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec.json import encode

from procession.core.errors import Invalid, NotFound, Unauthenticated
from procession.faces.endpoint import Answer, MethodNotAllowed, PathUnknown, RateLimited
from procession.faces.problem import headers_of, status_of
from procession.faces.strict import BodyInvalid, FieldError
from procession.faces.workspace.answers import Refusal

LIMITED = "Too many attempts."


def refusal_of(error: Exception) -> Answer:
    """The answer to a refusal; it never says why somebody was not let in."""
    status = status_of(error)
    if isinstance(error, Unauthenticated):
        body = Refusal("Unauthenticated.")
    elif isinstance(error, NotFound | PathUnknown):
        body = Refusal("Not found.")
    elif isinstance(error, BodyInvalid):
        body = Refusal(str(error), _by_field(error.errors))
    elif isinstance(error, Invalid):
        body = Refusal(error.message, {_field(error.pointer): [error.message]})
    elif isinstance(error, RateLimited):
        body = Refusal(LIMITED)
    else:
        body = Refusal(str(error))
    headers = headers_of(status)
    if isinstance(error, MethodNotAllowed):
        headers = (*headers, (b"allow", error.allow.encode()))
    return Answer(status, encode(body), headers)


def _by_field(errors: Iterable[FieldError]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for error in errors:
        found.setdefault(_field(error.pointer), []).append(error.message)
    return found


def _field(pointer: str) -> str:
    """`/input/seconds` as `input.seconds`; what is wrong with the whole is under `body`."""
    return pointer.strip("/").replace("/", ".") or "body"
