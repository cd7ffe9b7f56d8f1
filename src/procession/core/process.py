"""Process, Item, Event, Change: frozen values. Times are integer milliseconds since 1970, UTC.

Frozen values that hold only such values are never part of a cycle, so the collector of cycles is
told not to look at them (`gc=False`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID, uuid5

from msgspec import Raw, Struct

from procession.core.states import FINAL, ItemState, State

EMPTY = Raw(b"{}")
_LAST_GROUP = 24
"""Where the last twelve digits of an id begin."""
_LAST_GROUP_MAX = 16**12
RUN_STEP = "run"
"""The one step of a process that is a capability request."""
QUEUE_REPORTED = "reported"
"""Of items that no agent claims: an outside system reports on them."""
QUEUE_PEOPLE = "people"
"""Of items that a person is asked for from the beginning."""

Tally = Mapping[str, Mapping[ItemState, int]]
"""Items per step and state; zero counts are left out."""


class Error(Struct, frozen=True):
    """Why a process or an item did not complete."""

    message: str
    category: str


class CancelOrder(Struct, frozen=True, array_like=True):
    """A cancel that was asked for. `forced_ms` is set once active work was ordered killed."""

    strategy: str
    reason: str
    requested_ms: int
    force_at_ms: int | None = None
    forced_ms: int | None = None


class Sink(Struct, frozen=True, array_like=True, gc=False):
    """Which milestones go elsewhere besides the callback; what exactly is its face's to know."""

    origin: str
    """What stands for its host: deliveries to one origin are sent one at a time."""
    milestones: tuple[str, ...]


class Request(Struct, frozen=True, omit_defaults=True, gc=False):
    """What was asked for; never changes. Raw fields are the caller's own JSON."""

    face: str
    inputs: Raw
    requested_by: Raw
    target: Raw = EMPTY
    callback_url: str = ""
    callback_origin: str = ""
    """Scheme, host and port of the URL: deliveries to one origin are sent one at a time."""
    callback_metadata: Raw = EMPTY
    mode: str = "manual"
    fingerprint: str = ""
    attempts_max: int = 1
    lost_max: int = 3
    time_limit_ms: int = 0
    on_interrupted: str = "fail"
    queue_limit_ms: int = 0
    silent_ms_max: int = 0
    """Its steps are reported from outside, and it fails after so long without a word."""
    excused: tuple[str, ...] = ()
    """Steps whose failure does not fail the process."""
    expires_ms: int | None = None
    """When what waits for a person from the beginning waits no longer."""
    sinks: tuple[Sink, ...] = ()


class Standing(Struct, frozen=True, array_like=True, gc=False):
    """How a process stands after one of its events: all of it that changes."""

    state: State = State.ACCEPTED
    accepted_ms: int | None = None
    queued_ms: int | None = None
    executing_ms: int | None = None
    retrying_ms: int | None = None
    cancel_requested_ms: int | None = None
    finished_ms: int | None = None
    tally: Mapping[str, Mapping[ItemState, int]] = {}
    phone_id: str | None = None
    account_id: str | None = None
    percent: float | None = None
    message: str = ""
    attempt: int = 0
    error: Error | None = None
    result: Raw = EMPTY
    cancel: CancelOrder | None = None
    updated_ms: int = 0
    """When the event was that led here."""


class Process(Struct, frozen=True, kw_only=True, gc=False):
    """One accepted piece of work. `version` is the sequence number of its last event."""

    process_id: str
    number: int = 0
    """Grows with creation; 0 until the store gave it."""
    tenant_id: int
    namespace: str
    process_type: str
    system: str
    request_id: str
    created_ms: int
    request: Request
    version: int = 0
    due_ms: int | None = None
    """When the server ends this state by a rule of its own, if nothing else has."""
    standing: Standing = Standing()

    @property
    def state(self) -> State:
        return self.standing.state

    @property
    def final(self) -> bool:
        return self.standing.state in FINAL

    @property
    def items_total(self) -> int:
        return sum([sum(counts.values()) for counts in self.standing.tally.values()])

    def count(self, *states: ItemState) -> int:
        """How many items are in any of these states."""
        return sum(
            [counts.get(state, 0) for counts in self.standing.tally.values() for state in states]
        )


class Item(Struct, frozen=True, kw_only=True, gc=False):
    """One piece of work for one lane. It holds its phone exactly while `lease_ms` is set."""

    item_id: str
    process_id: str
    tenant_id: int
    capability: str
    queue: str
    """Where it waits: `phone/<id>`, `phones` (any) or `phones/<label>`."""
    step: str = RUN_STEP
    state: ItemState = ItemState.QUEUED
    attempt: int = 0
    """How often it was claimed: the fencing token of every report about it."""
    attempts_max: int = 1
    """Raised when a person asks for another try."""
    lost: int = 0
    due_ms: int | None = None
    """When time itself decides about this item: try again, lease over, run limit over."""
    lease_ms: int | None = None
    run_until_ms: int | None = None
    order: str = "none"
    """What its agent is told: none, soft or hard."""
    phone_id: str | None = None
    account_id: str | None = None
    agent_id: str | None = None
    percent: float | None = None
    claimed_ms: int | None = None
    started_ms: int | None = None
    finished_ms: int | None = None
    inputs: Raw | None = None
    """Its own inputs, where they differ from the process's."""
    error: Error | None = None
    result: Raw = EMPTY


class Event(Struct, frozen=True, gc=False):
    """One line of a process's log; `standing` is how the process stood after it."""

    process_id: str
    seq: int
    name: str
    at_ms: int
    data: Mapping[str, Any]
    standing: Standing
    milestone: bool = False


class Task(Struct, frozen=True, gc=False):
    """An item began or ceased to wait for a person; `state` is pending, or how it ended.

    `outcome` is JSON: what the person decided, or why it ended otherwise.
    """

    item: Item
    kind: str
    """What is asked: `form` (fill it in), `review` (a draft), `interruption` (try again?)."""
    state: str
    at_ms: int
    outcome: Raw = EMPTY

    @property
    def task_id(self) -> str:
        """Of one that the caller gave no id: the same for every look at the same wait."""
        name = f"task/{self.item.attempt}/{self.item.lost}"
        return str(uuid5(UUID(self.item.item_id), name))

    @property
    def title(self) -> str:
        """Of one that no caller has named."""
        if self.kind == "review":
            return f"Review what {self.item.capability} made"
        return f"{self.item.capability} was interrupted: try again?"


class Note(Struct, frozen=True, gc=False):
    """What an item's runs leave for later ones and for people; `body` is JSON.

    Kinds: `checkpoint` (where to go on), `draft` (what a person is asked about), `decision`
    (what the person said). A later note of a kind replaces the one before.
    """

    item_id: str
    process_id: str
    kind: str
    body: Raw


class Change(Struct, frozen=True, gc=False):
    """What a decision means: values to save and the answer for whoever asked."""

    process: Process
    items: tuple[Item, ...] = ()
    events: tuple[Event, ...] = ()
    answer: Any = None
    notes: tuple[Note, ...] = ()
    tasks: tuple[Task, ...] = ()


def item_id_of(process_id: str, position: int) -> str:
    """The id of the item at `position` (0, 1, …): the process's own id counted on.

    So a record lists the ids of its items without reading them, and a range of ids is all items
    of a process. A collision needs two processes of one millisecond within 10,000 of 2**74.
    """
    last = int(process_id[_LAST_GROUP:], 16) + 1 + position
    if last < _LAST_GROUP_MAX:
        return f"{process_id[:_LAST_GROUP]}{last:012x}"
    number = int(process_id.replace("-", ""), 16) + 1 + position
    text = f"{number:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
