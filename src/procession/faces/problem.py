"""Refusals as `application/problem+json` (RFC 9457), with a stable `code` each."""

from __future__ import annotations

from http import HTTPStatus

from msgspec import UNSET, Struct, UnsetType

from procession.capabilities.errors import (
    CapabilityBlocked,
    CapabilityRefusal,
    CapabilityUnknown,
    InputInvalid,
    RoutingUnsupported,
)
from procession.core.errors import (
    Forbidden,
    Invalid,
    LeaseLost,
    NotFound,
    Overloaded,
    Refused,
    RequestReused,
    StillHeld,
    Unauthenticated,
    WrongState,
)
from procession.faces import endpoint as http
from procession.faces.endpoint import Answer, Headers
from procession.faces.strict import BodyInvalid, FieldError
from procession.links import LinkGone

CONTENT_TYPE = b"application/problem+json"

STATUSES: dict[type[Exception], int] = {
    Refused: 422,
    Invalid: 422,
    BodyInvalid: 422,
    CapabilityRefusal: 422,
    NotFound: 404,
    WrongState: 409,
    StillHeld: 409,
    LeaseLost: 409,
    RequestReused: 409,
    LinkGone: 410,
    Overloaded: 503,
    Unauthenticated: 401,
    Forbidden: 403,
    http.PathUnknown: 404,
    http.MethodNotAllowed: 405,
    http.BodyTooLarge: 413,
    http.BodyTooSlow: 408,
    http.RateLimited: 429,
    http.Unexpected: 500,
}
"""Each refusal's status; a class not named has the status of the nearest one above it."""

POINTERS: dict[type[Exception], str] = {
    CapabilityUnknown: "/capability",
    CapabilityBlocked: "/mode",
    RoutingUnsupported: "/target/routing",
}
"""Which field of a request a capability refuses."""

_CHALLENGE = (b"www-authenticate", b'Bearer realm="procession"')
_RETRY_AFTER = (b"retry-after", b"1")
_CLOSE = (b"connection", b"close")
_HEADERS: dict[int, Headers] = {
    401: (_CHALLENGE,),
    408: (_CLOSE,),
    413: (_CLOSE,),
    429: (_RETRY_AFTER,),
    503: (_RETRY_AFTER,),
}


class Problem(Struct, frozen=True):
    """What was refused; `error` is the descriptive string, `code` the stable word."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    error: str
    errors: tuple[FieldError, ...] | UnsetType = UNSET
    """Which values are wrong, with status 422."""


def status_of(error: Exception) -> int:
    """The status of a refusal."""
    return next(STATUSES[kind] for kind in type(error).__mro__ if kind in STATUSES)


def headers_of(status: int) -> Headers:
    """What goes with a refusal of this status: how to sign in, when to come again."""
    return _HEADERS.get(status, ())


def problem_of(error: Exception) -> Answer:
    """The answer to a Refused or a CapabilityRefusal."""
    status = status_of(error)
    code = getattr(error, "code", "refused")
    detail = str(error) or (type(error).__doc__ or "").strip()
    headers = headers_of(status)
    if isinstance(error, http.MethodNotAllowed):
        headers = ((b"allow", error.allow.encode()),)
    body = Problem(
        type="about:blank",
        title=HTTPStatus(status).phrase,
        status=status,
        detail=detail,
        code=code,
        error=detail,
        errors=_errors(error, detail) if status == 422 else UNSET,
    )
    return Answer(status, body, headers, CONTENT_TYPE)


def _errors(error: Exception, detail: str) -> tuple[FieldError, ...]:
    match error:
        case BodyInvalid():
            return error.errors
        case Invalid():
            return (FieldError(error.pointer, error.message),)
        case InputInvalid():
            return (FieldError("/inputs" + error.pointer, error.message),)
    pointer = next((POINTERS[kind] for kind in type(error).__mro__ if kind in POINTERS), "")
    return (FieldError(pointer, detail),)
