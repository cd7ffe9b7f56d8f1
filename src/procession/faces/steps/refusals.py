"""Refusals in this face's words: `{"error": "text", "details": [{"field", "message"}]}`."""

from __future__ import annotations

import re
from collections.abc import Sequence

from msgspec import UNSET, Struct, UnsetType
from msgspec.json import encode

from procession.core.errors import Forbidden, Invalid, Refused, Unauthenticated
from procession.faces import problem
from procession.faces.endpoint import Answer, MethodNotAllowed
from procession.faces.strict import BodyInvalid
from procession.files.links import FileLinkExpired
from procession.files.multipart import FormInvalid, FormTooLarge
from procession.files.serving import RangeUnsatisfiable
from procession.files.store import FilesOff, FileTooLarge
from procession.links import LinkGone, LinksExhausted
from procession.mailing import MailAway, MailOff

_INVALID = 422
"""What other faces answer to a broken rule; this one says 400."""
_STATUSES: dict[type[Exception], int] = {
    FormInvalid: 400,
    LinksExhausted: 409,
    LinkGone: 410,
    FileLinkExpired: 410,
    FileTooLarge: 413,
    FormTooLarge: 413,
    RangeUnsatisfiable: 416,
    FilesOff: 501,
    MailOff: 501,
    MailAway: 503,
}
_UNAUTHENTICATED = {
    "missing": "Unauthorized",
    "unknown": "Invalid token",
    "revoked": "Token revoked",
}
_INDEX = re.compile(r"/(\d+)(?=/|$)")


class FieldsInvalid(Refused):
    """Some fields break a rule."""

    code = "fields_invalid"

    def __init__(self, details: Sequence[tuple[str, str]]) -> None:
        super().__init__("; ".join(f"{field}: {message}" for field, message in details))
        self.details = tuple(details)


class Detail(Struct, frozen=True):
    """What is wrong with one value; `field` is a path like `steps[0].key`."""

    field: str
    message: str


class Refusal(Struct, frozen=True):
    """Why a request was refused; `details` with status 400 only."""

    error: str
    details: list[Detail] | UnsetType = UNSET


def refusal_of(error: Exception) -> Answer:
    """The answer to a refusal."""
    status = status_of(error)
    headers = problem.headers_of(status)
    details = details_of(error)
    if details is not None:
        return Answer(400, encode(Refusal("Validation failed", details)), headers)
    if isinstance(error, MethodNotAllowed):
        headers = (*headers, (b"allow", error.allow.encode()))
    return Answer(status, encode(Refusal(_text_of(error))), headers)


def status_of(error: Exception) -> int:
    """The status of a refusal in this face."""
    known = _STATUSES.get(type(error)) or problem.status_of(error)
    return 400 if known == _INVALID else known


def details_of(error: Exception) -> list[Detail] | None:
    """Which values are wrong; None where it is about something else."""
    if isinstance(error, BodyInvalid):
        return [Detail(field_of(one.pointer), one.message) for one in error.errors]
    if isinstance(error, Invalid):
        return [Detail(field_of(error.pointer), error.message)]
    if isinstance(error, FieldsInvalid):
        return [Detail(field, message) for field, message in error.details]
    return None


def field_of(pointer: str) -> str:
    """`/steps/0/key` as `steps[0].key`; the whole body as `body`."""
    return _INDEX.sub(r"[\1]", pointer).strip("/").replace("/", ".") or "body"


def _text_of(error: Exception) -> str:
    match error:
        case Unauthenticated():
            return _UNAUTHENTICATED[error.why]
        case Forbidden():
            return "Insufficient permissions"
    return str(error) or (type(error).__doc__ or "").strip()
