"""What callers receive: the wire types of answers, keys in the contract's order."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import UNSET, Meta, Raw, Struct, UnsetType

JsonObject = Annotated[Raw, Meta(extra_json_schema={"type": "object"})]
JsonIds = Annotated[Raw, Meta(extra_json_schema={"type": "array", "items": {"type": "string"}})]


class TargetView(Struct, frozen=True):
    """The account and phone the work is for (null until known), and what was asked for."""

    account_id: str | None
    phone_id: str | None
    routing: str | UnsetType = UNSET
    account_ids: list[str] | UnsetType = UNSET
    phone_ids: list[str] | UnsetType = UNSET
    account_group: str | UnsetType = UNSET
    phone_group: str | UnsetType = UNSET


class CallbackView(Struct, frozen=True):
    """Where updates go; null when none were asked for."""

    url: str | None
    metadata: JsonObject


class ErrorView(Struct, frozen=True):
    """What went wrong."""

    message: str
    category: str


class Timestamps(Struct, frozen=True):
    """UTC with milliseconds; null where it has not happened."""

    created_at: str
    accepted_at: str | None
    queued_at: str | None
    executing_at: str | None
    retrying_at: str | None
    cancel_requested_at: str | None
    finished_at: str | None


class LinkedIds(Struct, frozen=True):
    """The ids of all items, and of those that completed."""

    queue_item_ids: JsonIds
    completed_queue_item_ids: list[str]


class Progress(Struct, frozen=True):
    """How far a process is; empty until there is something to say."""

    items_total: int | UnsetType = UNSET
    items_completed: int | UnsetType = UNSET
    items_failed: int | UnsetType = UNSET
    items_cancelled: int | UnsetType = UNSET
    percent: float | UnsetType | None = UNSET
    message: str | UnsetType = UNSET


class WaitView(Struct, frozen=True):
    """Why a process is not running; `position` 1 is the next on its phone."""

    reason: str
    position: int | None


class Record(Struct, frozen=True):
    """The whole process record."""

    process_id: str
    process_type: str
    request_id: str
    status: str
    target: TargetView
    requested_by: JsonObject
    callback: CallbackView
    result: Raw
    error: ErrorView | None
    timestamps: Timestamps
    linked_ids: LinkedIds
    partial_progress: Progress
    version: int
    wait_reason: WaitView | None


class Update(Struct, frozen=True):
    """The body of a callback."""

    event_type: str
    milestone: str
    emitted_at: str
    process: Record


class Accepted(Struct, frozen=True):
    """The answer to a submission; the last three keys stand in the answer to a duplicate."""

    status: str
    process_id: str
    request_id: str
    process_type: str
    duplicate: bool | UnsetType = UNSET
    process_status: str | UnsetType = UNSET
    payload_matches: bool | UnsetType = UNSET


class Page(Struct, frozen=True):
    """Processes, newest first; how many there are where that was asked."""

    processes: list[Record]
    next_cursor: str | None
    total: int | UnsetType = UNSET
    total_exact: bool | UnsetType = UNSET


class EventView(Struct, frozen=True):
    """One line of the log."""

    seq: int
    name: str
    at: str
    data: JsonObject


class Events(Struct, frozen=True):
    """The log, in order and without gaps."""

    events: list[EventView]


class ItemView(Struct, frozen=True, kw_only=True):
    """One piece of work on one phone."""

    queue_item_id: str
    process_id: str
    capability: str
    queue_status: str
    attempt: int
    attempts_max: int
    leases_lost: int
    account_id: str | None
    phone_id: str | None
    agent_id: str | None
    percent: float | None
    stop_order: str
    due_at: str | None
    lease_expires_at: str | None
    claimed_at: str | None
    started_at: str | None
    finished_at: str | None
    error: ErrorView | None
    result: Raw


class Items(Struct, frozen=True):
    """Items in the order of their ids; `next_after` null on the last page."""

    items: list[ItemView]
    next_after: str | None


class OutputView(Struct, frozen=True):
    """What one attempt printed."""

    attempt: int
    text: str
    truncated: bool


class Outputs(Struct, frozen=True):
    """What the attempts of an item printed."""

    outputs: list[OutputView]


class DeliveryView(Struct, frozen=True):
    """One callback, or what a sink was told; `tries` says what came of each."""

    delivery_id: int
    version: int
    milestone: str
    status: str
    attempt: int
    emitted_at: str
    next_attempt_at: str | None
    tries: list[dict[str, Any]]
    origin: str


class Deliveries(Struct, frozen=True):
    """The callbacks of a process."""

    deliveries: list[DeliveryView]


class Resent(Struct, frozen=True):
    """The delivery is due at once, with a fresh schedule."""

    status: str
    process_id: str
    delivery_id: int


class ActiveTarget(Struct, frozen=True):
    """What a cancelled process holds; `queue_item_id` null when nothing is active."""

    process_id: str
    phone_id: str | None
    account_id: str | None
    queue_item_id: str | None
    capability_request_id: str


class Termination(Struct, frozen=True):
    """What is done about active work; `container` names the run that is killed."""

    process_id: str
    status: str
    terminate_issued: bool
    container: str | None
    force_at: str | UnsetType = UNSET


class CancelAnswer(Struct, frozen=True):
    """What a cancel did."""

    status: str
    cancelled_queue_item_ids: list[str]
    active_queue_item_ids: list[str]
    active_target: ActiveTarget
    termination: Termination
    process: Record


class OutcomeView(Struct, frozen=True):
    """What became of one process."""

    process_id: str
    status: str


class BulkAnswer(Struct, frozen=True):
    """How many processes matched, and what became of each (nothing in a dry run)."""

    matched: int
    dry_run: bool
    outcomes: list[OutcomeView]


class IngestAnswer(Struct, frozen=True):
    """The queue item of a clip."""

    status: str
    queue_item_id: str
    content_id: str
    account_id: str
    queue_status: str


class ContentCancelled(Struct, frozen=True):
    """The clip will not be posted."""

    status: str
    queue_item_id: str
    previous_status: str


class SnapshotAnswer(Struct, frozen=True):
    """`upserted`, or `ignored_stale` with what is stored."""

    status: str
    account_id: str
    snapshot_id: str
    strategy_version: int
    strategy_synced_at: str | UnsetType = UNSET


class CapabilityView(Struct, frozen=True):
    """What can be asked for; `blocked` names refused modes with the code answered for each."""

    name: str
    modes: list[str]
    routings: list[str]
    inputs: dict[str, Any]
    blocked: dict[str, str] | None
    needs_phone: bool
    on_interrupted: str
    attempts_max: int


class Capabilities(Struct, frozen=True):
    """The registry."""

    capabilities: list[CapabilityView]


class LeaseView(Struct, frozen=True):
    """What holds a phone."""

    process_id: str
    queue_item_id: str
    expires_at: str


class PhoneView(Struct, frozen=True):
    """A phone."""

    phone_id: str
    state: str
    agent_id: str | None
    labels: list[str]
    battery_percent: int | None
    temperature_c: float | None
    storage_free_mb: int | None
    lease: LeaseView | None
    queue_length: int
    quarantine: str | None
    last_seen_at: str | None
    paused: bool
    detail: str


class Phones(Struct, frozen=True):
    """The fleet."""

    phones: list[PhoneView]


class AccountView(Struct, frozen=True):
    """An account."""

    account_id: str
    phone_id: str | None
    app: str | None
    labels: list[str]
    active: bool


class Accounts(Struct, frozen=True):
    """All accounts."""

    accounts: list[AccountView]


class Health(Struct, frozen=True):
    """`ok` when the ledger answers."""

    status: str
