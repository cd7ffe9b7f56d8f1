"""Refusals of whole requests: a JSON-RPC error, since that is what its clients read."""

from __future__ import annotations

from msgspec import Struct

from procession.core.errors import Unauthenticated
from procession.faces import problem
from procession.faces.endpoint import Answer, MethodNotAllowed
from procession.faces.strict import BodyInvalid

INVALID_REQUEST = -32_600
INTERNAL_ERROR = -32_603
_UNAUTHENTICATED = {
    "missing": "Unauthorized",
    "unknown": "Invalid token",
    "revoked": "Token revoked",
}


class Fault(Struct, frozen=True):
    """What went wrong, by the numbers of JSON-RPC."""

    code: int
    message: str


class Refusal(Struct, frozen=True):
    """An answer to no call in particular."""

    error: Fault
    jsonrpc: str = "2.0"
    id: None = None


def refusal_of(error: Exception) -> Answer:
    """The answer to a refusal."""
    status = 400 if isinstance(error, BodyInvalid) else problem.status_of(error)
    headers = problem.headers_of(status)
    if isinstance(error, MethodNotAllowed):
        headers = (*headers, (b"allow", error.allow.encode()))
    text = str(error) or (type(error).__doc__ or "").strip()
    if isinstance(error, Unauthenticated):
        text = _UNAUTHENTICATED[error.why]
    code = INTERNAL_ERROR if status >= 500 else INVALID_REQUEST
    return Answer(status, Refusal(Fault(code, text)), headers)
