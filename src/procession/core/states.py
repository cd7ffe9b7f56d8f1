"""The states of processes and items, the moves between them, and which are final."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum


class State(StrEnum):
    """Where a process stands; summed up from its items, never set."""

    ACCEPTED = "accepted"
    QUEUED = "queued"
    RUNNING = "running"
    RETRYING = "retrying"
    WAITING = "waiting"
    CANCELLING = "cancelling"
    COMPLETED = "completed"
    PARTIAL = "partial"
    FAILED = "failed"
    CANCELLED = "cancelled"


class ItemState(StrEnum):
    """Where one item stands."""

    SCHEDULED = "scheduled"
    QUEUED = "queued"
    CLAIMED = "claimed"
    RUNNING = "running"
    RETRYING = "retrying"
    WAITING = "waiting"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


FINAL = frozenset({State.COMPLETED, State.PARTIAL, State.FAILED, State.CANCELLED})
RETRIABLE = frozenset({State.PARTIAL, State.FAILED})

ITEM_FINAL = frozenset({ItemState.COMPLETED, ItemState.FAILED, ItemState.CANCELLED})
ITEM_ACTIVE = frozenset({ItemState.CLAIMED, ItemState.RUNNING})
ITEM_IDLE = frozenset(
    {ItemState.SCHEDULED, ItemState.QUEUED, ItemState.RETRYING, ItemState.WAITING}
)

MOVES: Mapping[State, frozenset[State]] = {
    State.ACCEPTED: frozenset(
        {State.QUEUED, State.WAITING, State.CANCELLING, State.CANCELLED, State.FAILED}
    ),
    State.QUEUED: frozenset(
        {
            State.RUNNING,
            State.WAITING,
            State.CANCELLING,
            State.COMPLETED,
            State.CANCELLED,
            State.FAILED,
        }
    ),
    State.RUNNING: frozenset(
        {
            State.RETRYING,
            State.WAITING,
            State.CANCELLING,
            State.COMPLETED,
            State.PARTIAL,
            State.FAILED,
            State.CANCELLED,
        }
    ),
    State.RETRYING: frozenset(
        {
            State.QUEUED,
            State.RUNNING,
            State.CANCELLING,
            State.CANCELLED,
            State.PARTIAL,
            State.FAILED,
        }
    ),
    State.WAITING: frozenset(
        {
            State.QUEUED,
            State.RUNNING,
            State.RETRYING,
            State.CANCELLING,
            State.COMPLETED,
            State.PARTIAL,
            State.FAILED,
            State.CANCELLED,
        }
    ),
    State.CANCELLING: frozenset({State.COMPLETED, State.PARTIAL, State.FAILED, State.CANCELLED}),
    State.COMPLETED: frozenset(),
    State.PARTIAL: frozenset({State.RUNNING}),
    State.FAILED: frozenset({State.QUEUED, State.RETRYING}),
    State.CANCELLED: frozenset(),
}
"""From each state, the states one decision may lead to; failed work moves again by `retry` only."""

ITEM_MOVES: Mapping[ItemState, frozenset[ItemState]] = {
    ItemState.SCHEDULED: frozenset({ItemState.QUEUED, ItemState.CANCELLED, ItemState.FAILED}),
    ItemState.QUEUED: frozenset({ItemState.CLAIMED, ItemState.CANCELLED, ItemState.FAILED}),
    ItemState.CLAIMED: frozenset(
        {
            ItemState.RUNNING,
            ItemState.RETRYING,
            ItemState.WAITING,
            ItemState.COMPLETED,
            ItemState.FAILED,
            ItemState.CANCELLED,
        }
    ),
    ItemState.RUNNING: frozenset(
        {
            ItemState.RETRYING,
            ItemState.WAITING,
            ItemState.COMPLETED,
            ItemState.FAILED,
            ItemState.CANCELLED,
        }
    ),
    ItemState.RETRYING: frozenset({ItemState.QUEUED, ItemState.CANCELLED, ItemState.FAILED}),
    ItemState.WAITING: frozenset(
        {ItemState.QUEUED, ItemState.COMPLETED, ItemState.FAILED, ItemState.CANCELLED}
    ),
    ItemState.COMPLETED: frozenset(),
    ItemState.FAILED: frozenset({ItemState.QUEUED, ItemState.RETRYING}),
    ItemState.CANCELLED: frozenset(),
}

REPORTED_MOVES: Mapping[ItemState, frozenset[ItemState]] = {
    ItemState.QUEUED: frozenset({ItemState.RUNNING, ItemState.WAITING, *ITEM_FINAL}),
    ItemState.RUNNING: ITEM_FINAL,
    ItemState.WAITING: ITEM_FINAL,
    ItemState.COMPLETED: frozenset(),
    ItemState.FAILED: frozenset({ItemState.QUEUED}),
    ItemState.CANCELLED: frozenset({ItemState.QUEUED}),
}
"""Of a step that an outside system reports on: it claims nothing and starts what it likes."""

MILESTONES: Mapping[State, str] = {
    State.ACCEPTED: "accepted",
    State.QUEUED: "planned",
    State.RUNNING: "executing",
    State.RETRYING: "retrying",
    State.WAITING: "waiting_review",
    State.CANCELLING: "cancel_requested",
    State.COMPLETED: "completed",
    State.PARTIAL: "failed_terminal",
    State.FAILED: "failed_terminal",
    State.CANCELLED: "cancelled",
}
"""The event that says a state was reached; these, and only these, are sent as callbacks."""
