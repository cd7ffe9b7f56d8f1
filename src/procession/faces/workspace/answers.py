"""What a product's front end receives: the wire types of answers, keys in the contract's order."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import UNSET, Meta, Raw, Struct, UnsetType

JsonObject = Annotated[Raw, Meta(extra_json_schema={"type": "object"})]


class Listed(Struct, frozen=True):
    """A process in a list. `progress` is 0 to 100."""

    id: int
    type: str
    status: str
    progress: int
    created_at: str
    updated_at: str


class Full(Struct, frozen=True):
    """The full state of a process. `metadata.draft` is what a review is asked about."""

    id: int
    type: str
    status: str
    progress: int
    created_at: str
    updated_at: str
    metadata: dict[str, Any]
    result_summary: Raw | None
    workspace_id: int | None
    user_id: int | None
    current_step: str | None
    error_message: str | None
    attempts: int
    started_at: str | None
    finished_at: str | None
    process_id: str
    version: int


class EventLine(Struct, frozen=True):
    """One line of the log of a process; the status is the one after it."""

    id: int
    status: str
    message: str
    created_at: str


class WorkspaceView(Struct, frozen=True):
    """A namespace with the name people know it by."""

    id: int
    name: str
    namespace: str


class Me(Struct, frozen=True):
    """Who is signed in; an API token has no id and no address."""

    id: int | None
    name: str
    email: str | None
    role: str | None
    scopes: list[str]
    csrf_token: str | UnsetType = UNSET


class SignedIn(Struct, frozen=True):
    """A sign-in; with a cookie the token is not shown to scripts."""

    user: Me
    expires_at: str
    token: str | UnsetType = UNSET
    csrf_token: str | UnsetType = UNSET


class SignedOut(Struct, frozen=True):
    """The session has ended."""

    message: str = "Signed out."


class StreamToken(Struct, frozen=True):
    """A token for one stream, read only."""

    token: str
    expires_at: str
    url: str


class Refusal(Struct, frozen=True):
    """What was refused; `errors` names the fields that are wrong."""

    message: str
    errors: dict[str, list[str]] | UnsetType = UNSET
