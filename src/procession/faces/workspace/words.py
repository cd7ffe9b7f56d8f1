"""The face's own words for our states and for what happened; each map is total."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec.json import decode

from procession.core.process import Standing
from procession.core.states import State

STATUS: Mapping[State, str] = {
    State.ACCEPTED: "pending",
    State.QUEUED: "pending",
    State.RUNNING: "running",
    State.RETRYING: "pending",
    State.WAITING: "waiting_review",
    State.CANCELLING: "running",
    State.COMPLETED: "completed",
    State.PARTIAL: "failed",
    State.FAILED: "failed",
    State.CANCELLED: "cancelled",
}

STATES: Mapping[str, tuple[str, ...]] = {
    word: tuple(state.value for state, own in STATUS.items() if own == word)
    for word in dict.fromkeys(STATUS.values())
}
"""Which of our states a status stands for: what a filter by status looks for."""

ERROR_SHOWN = frozenset({State.QUEUED, State.RETRYING, State.PARTIAL, State.FAILED})

_SAID: Mapping[str, str] = {
    "accepted": "Accepted",
    "planned": "Waiting for a worker",
    "executing": "Taken by a worker",
    "item_claimed": "Taken by a worker",
    "item_started": "Started",
    "item_queued": "Waiting for a worker again",
    "item_completed": "One part is done",
    "item_failed": "One part failed",
    "item_cancelled": "Stopped",
    "item_retrying": "Failed; it will be tried again",
    "item_answered": "A person decided how to go on",
    "item_overran": "It went past its time limit",
    "lease_lost": "The worker was lost",
    "waiting_review": "Waiting for a review",
    "review_wanted": "Waiting for a review",
    "reviewed": "Reviewed",
    "retrying": "To be tried again",
    "progress": "At work",
    "cancel_requested": "Cancel was asked for",
    "cancel_forced": "The cancel was forced",
    "cancel_unconfirmed": "Cancelled",
    "step_started": "A step began",
    "step_completed": "A step is done",
    "step_failed": "A step failed",
    "task_asked": "Somebody is asked",
    "reported_completed": "Reported as completed",
    "reported_failed": "Reported as failed",
    "expired": "Nothing happened in time",
    "completed": "Completed",
    "failed_terminal": "Failed",
    "cancelled": "Cancelled",
}


def message_of(name: str, data: str, standing: Standing) -> str:
    """What happened, for people; an event without a phrase is said by its own name."""
    said = _SAID.get(name) or name.replace("_", " ").capitalize()
    if name == "progress":
        told = decode(data)
        return told.get("message") or f"{told.get('percent') or 0:g} %"
    if name == "reviewed":
        return f"Reviewed: {decode(data).get('decision')}"
    error = standing.error
    return f"{said}: {error.message}" if error and name in _WITH_ERROR else said


_WITH_ERROR = frozenset(
    {"failed_terminal", "item_failed", "item_retrying", "lease_lost", "expired"}
)
