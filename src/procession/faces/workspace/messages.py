"""What a product's front end sends: the wire types of bodies and queries, with every limit."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta, Raw, Struct, field

from procession.core.process import EMPTY

NUMBER_MAX = 2**53
PAGE_MAX = 200
PAGE_DEFAULT = 50
EVENTS_MAX = 10_000

JsonObject = Annotated[Raw, Meta(extra_json_schema={"type": "object"})]
Number = Annotated[int, Meta(ge=1, le=NUMBER_MAX)]


def _nothing() -> Raw:
    return EMPTY


class SignIn(Struct, frozen=True):
    """`cookie` asks for a session cookie instead of a token in the answer."""

    email: Annotated[str, Meta(min_length=3, max_length=254)]
    password: Annotated[str, Meta(min_length=1, max_length=512)]
    cookie: bool = False


class Start(Struct, frozen=True):
    """A job to start; the same `request_id` again is the same job."""

    type: Annotated[str, Meta(min_length=1, max_length=64)]
    workspace_id: Number | None = None
    input: JsonObject = field(default_factory=_nothing)
    request_id: Annotated[str, Meta(min_length=1, max_length=200)] | None = None


class Review(Struct, frozen=True):
    """What a person decided about a draft."""

    decision: Literal["approve", "reject"]
    edits: Any = None


class ListQuery(Struct, frozen=True):
    """`status` may name several, comma-separated; `before_id` is the last id already seen."""

    workspace_id: Number | None = None
    status: Annotated[str, Meta(max_length=200)] = ""
    limit: Annotated[int, Meta(ge=1, le=PAGE_MAX)] = PAGE_DEFAULT
    before_id: Number | None = None


class EventsQuery(Struct, frozen=True):
    """`after` is the last event id already seen."""

    after: Annotated[int, Meta(ge=0, le=NUMBER_MAX)] = 0
    limit: Annotated[int, Meta(ge=1, le=EVENTS_MAX)] = 1_000


class StreamQuery(Struct, frozen=True):
    """`token` is what `stream-token` gave: an EventSource cannot send headers."""

    token: Annotated[str, Meta(max_length=2_048)] = ""


class TrayQuery(Struct, frozen=True):
    """The workspace whose processes are followed; else the caller's own."""

    workspace_id: Number | None = None
