"""The face's own words for our states, errors and items; each map is total."""

from __future__ import annotations

from collections.abc import Mapping

from procession.core.states import ItemState, State

STATUS: Mapping[State, str] = {
    State.ACCEPTED: "queued",
    State.QUEUED: "queued",
    State.RUNNING: "executing",
    State.RETRYING: "retrying",
    State.WAITING: "executing",
    State.CANCELLING: "executing",
    State.COMPLETED: "completed",
    State.PARTIAL: "failed_terminal",
    State.FAILED: "failed_terminal",
    State.CANCELLED: "cancelled",
}

STATES: Mapping[str, tuple[str, ...]] = {
    word: tuple(state.value for state, own in STATUS.items() if own == word)
    for word in dict.fromkeys(STATUS.values())
}
"""Which of our states a status stands for: what a filter by status looks for."""

QUEUE_STATUS: Mapping[ItemState, str] = {
    ItemState.SCHEDULED: "SCHEDULED",
    ItemState.QUEUED: "QUEUED",
    ItemState.CLAIMED: "CLAIMED",
    ItemState.RUNNING: "EXECUTING",
    ItemState.RETRYING: "RETRYABLE",
    ItemState.WAITING: "RETRYABLE",
    ItemState.COMPLETED: "DONE",
    ItemState.FAILED: "DEAD_LETTER",
    ItemState.CANCELLED: "CANCELLED",
}

CATEGORIES = frozenset({"cancelled", "failed", "timeout", "lease_lost", "rejected", "partial"})

ERROR_SHOWN = frozenset(
    {
        State.QUEUED,
        State.RETRYING,
        State.WAITING,
        State.PARTIAL,
        State.FAILED,
        State.CANCELLED,
    }
)
"""While it runs again, what went wrong before is in the log only."""


def category_of(word: str) -> str:
    """An error's category; one this face has no word for is a plain failure."""
    return word if word in CATEGORIES else "failed"
