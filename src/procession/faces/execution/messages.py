"""What callers send: the wire types of bodies and queries, with every limit."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Raw, Struct, UnsetType, field

from procession.core.process import EMPTY
from procession.targets import MEMBERS_MAX

ID_CHARS_MAX = 200
URL_CHARS_MAX = 2_048
REASON_CHARS_MAX = 2_000
CAPTION_CHARS_MAX = 4_000
LABELS_MAX = 50
LABEL_CHARS_MAX = 64
WORDS_MAX = 100
FORCE_AFTER_S_MAX = 86_400
PAGE_MAX = 200
PAGE_DEFAULT = 50
EVENTS_MAX = 10_000
EVENTS_DEFAULT = 1_000
ITEMS_MAX = 1_000
VERSION_MAX = 2**53

JsonObject = Annotated[Raw, Meta(extra_json_schema={"type": "object"})]
Id = Annotated[str, Meta(min_length=1, max_length=ID_CHARS_MAX)]
Url = Annotated[str, Meta(min_length=1, max_length=URL_CHARS_MAX)]
Reason = Annotated[str, Meta(min_length=1, max_length=REASON_CHARS_MAX)]
Word = Annotated[str, Meta(max_length=ID_CHARS_MAX)]
Label = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.:-]*$", max_length=LABEL_CHARS_MAX)]
Labels = Annotated[list[Label], Meta(max_length=LABELS_MAX)]
Members = Annotated[list[Id], Meta(max_length=MEMBERS_MAX)]
Strategy = Literal["soft", "hard", "soft_then_force"]
ForceAfter = Annotated[int, Meta(ge=0, le=FORCE_AFTER_S_MAX)]


def _nothing() -> Raw:
    return EMPTY


class TargetGiven(Struct, frozen=True, omit_defaults=True):
    """Where the work is to go; what a routing does not use is ignored."""

    routing: Literal["direct", "queue", "group"]
    account_id: Id | None = None
    phone_id: Id | None = None
    account_ids: Members | None = None
    phone_ids: Members | None = None
    account_group: Label | None = None
    phone_group: Label | None = None


class Callback(Struct, frozen=True):
    """Where updates are sent; `metadata` is an object and comes back with each."""

    url: Url
    metadata: JsonObject = field(default_factory=_nothing)


class RequestedBy(Struct, frozen=True):
    """Who asks; `system` is part of the idempotency key, `metadata` is an object."""

    system: Id
    user: Word | None = None
    metadata: JsonObject = field(default_factory=_nothing)


class Enqueue(Struct, frozen=True):
    """A capability request."""

    request_id: Id
    capability: Id
    mode: Literal["manual", "unattended"]
    target: TargetGiven
    inputs: JsonObject
    callback: Callback
    requested_by: RequestedBy


class Maintenance(Struct, frozen=True):
    """Upkeep of an account: no mode and no target."""

    request_id: Id
    account_id: Id
    inputs: JsonObject
    callback: Callback
    requested_by: RequestedBy


class Cancel(Struct, frozen=True):
    """How to stop a process."""

    reason: Reason
    requested_by: dict[str, Any]
    strategy: Strategy = "soft_then_force"
    force_after_seconds: ForceAfter = 10


class Decision(Struct, frozen=True):
    """What a person decided about an interrupted run."""

    decision: Literal["retry", "fail"]


class ProcessFilter(Struct, frozen=True):
    """Which processes; `status` is one or more of this face's words, comma-separated."""

    status: Word = ""
    process_type: Word = ""
    phone_id: Word = ""
    account_id: Word = ""
    request_id: Word = ""
    namespace: Word = ""
    search: Word = ""


class ListQuery(ProcessFilter, frozen=True):
    """A page of processes, newest first; `cursor` is the last page's `next_cursor`.

    `total` asks how many there are, too.
    """

    limit: Annotated[int, Meta(ge=1, le=PAGE_MAX)] = PAGE_DEFAULT
    cursor: Word = ""
    total: bool = False


class GetQuery(Struct, frozen=True):
    """`wait` seconds (25 at most) for a version above `version`."""

    wait: Annotated[int, Meta(ge=0)] = 0
    version: Annotated[int, Meta(ge=0)] | None = None


class EventsQuery(Struct, frozen=True):
    """The log after sequence number `after`."""

    after: Annotated[int, Meta(ge=0, le=VERSION_MAX)] = 0
    limit: Annotated[int, Meta(ge=1, le=EVENTS_MAX)] = EVENTS_DEFAULT


class ItemsQuery(Struct, frozen=True):
    """The items whose ids follow `after`."""

    after: Word = ""
    limit: Annotated[int, Meta(ge=1, le=ITEMS_MAX)] = PAGE_MAX


class BulkCancel(Struct, frozen=True):
    """Stop everything the filter matches that has not ended."""

    filter: ProcessFilter
    reason: Reason = "cancelled in bulk"
    requested_by: dict[str, Any] = {}
    strategy: Strategy = "soft_then_force"
    force_after_seconds: ForceAfter = 10
    dry_run: bool = False


class BulkRetry(Struct, frozen=True):
    """Retry everything the filter matches that failed."""

    filter: ProcessFilter
    dry_run: bool = False


class Ingest(Struct, frozen=True):
    """A clip to post; times without an offset are UTC."""

    content_id: Id
    account_id: Id
    video_path: Url
    caption: Annotated[str, Meta(min_length=1, max_length=CAPTION_CHARS_MAX)]
    hashtags: Annotated[
        list[Annotated[str, Meta(min_length=1, max_length=100)]], Meta(max_length=WORDS_MAX)
    ] = []
    sound_id: Id | None = None
    cover_image_path: Url | None = None
    callback_url: Url | None = None
    scheduling_hint: datetime | None = None
    metadata: JsonObject = field(default_factory=_nothing)


class CancelContent(Struct, frozen=True):
    """Which clip is not to be posted."""

    content_id: Id
    account_id: Id
    reason: Annotated[str, Meta(max_length=REASON_CHARS_MAX)] | None = None


class Snapshot(Struct, frozen=True):
    """How an account is to behave, as the caller's own system sees it now."""

    account_id: Id
    ugc_account_id: Id
    snapshot_id: Id
    content_hash: Id
    strategy_version: Annotated[int, Meta(ge=1, le=VERSION_MAX)]
    strategy_synced_at: datetime
    personality: JsonObject
    stage: Annotated[str, Meta(max_length=ID_CHARS_MAX)] | None = None
    active_action: Annotated[str, Meta(max_length=ID_CHARS_MAX)] | None = None
    active_skills: Annotated[list[Id], Meta(max_length=WORDS_MAX)] = []


class PhoneEdit(Struct, frozen=True):
    """What is not sent stays as it is."""

    labels: Labels | UnsetType = UNSET
    paused: bool | UnsetType = UNSET


class AccountNew(Struct, frozen=True):
    """An account; without `phone_id` its work goes to the first free phone."""

    account_id: Id
    phone_id: Id | None = None
    app: Id | None = None
    labels: Labels = []
    active: bool = True


class AccountEdit(Struct, frozen=True):
    """What is not sent stays as it is; null takes a phone or an app away."""

    phone_id: Id | UnsetType | None = UNSET
    app: Id | UnsetType | None = UNSET
    labels: Labels | UnsetType = UNSET
    active: bool | UnsetType = UNSET
