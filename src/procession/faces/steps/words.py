"""The face's own words: statuses of processes and steps, organizations, namespaces."""

from __future__ import annotations

from collections.abc import Mapping

from procession.core.states import ItemState, State

STATUS: Mapping[State, str] = {
    State.ACCEPTED: "running",
    State.QUEUED: "running",
    State.RUNNING: "running",
    State.RETRYING: "running",
    State.WAITING: "running",
    State.CANCELLING: "running",
    State.COMPLETED: "completed",
    State.PARTIAL: "failed",
    State.FAILED: "failed",
    State.CANCELLED: "failed",
}

STATES: Mapping[str, tuple[str, ...]] = {
    word: tuple(state.value for state, own in STATUS.items() if own == word)
    for word in dict.fromkeys(STATUS.values())
}
"""Which of our states a status stands for: what a filter by status looks for."""

STEP_STATUS: Mapping[ItemState, str] = {
    ItemState.SCHEDULED: "pending",
    ItemState.QUEUED: "pending",
    ItemState.CLAIMED: "running",
    ItemState.RUNNING: "running",
    ItemState.RETRYING: "running",
    ItemState.WAITING: "running",
    ItemState.COMPLETED: "completed",
    ItemState.FAILED: "failed",
    ItemState.CANCELLED: "cancelled",
}


def org_id_of(tenant_id: int) -> str:
    """The organization, as this face names a tenant."""
    return f"org-{tenant_id}"


def shown_namespace(tenant_id: int, namespace: str) -> str:
    """A namespace with its organization before it."""
    return f"{org_id_of(tenant_id)}.{namespace}"


def own_namespace(tenant_id: int, namespace: str) -> str:
    """A namespace as it was shown, or without its organization."""
    return namespace.removeprefix(f"{org_id_of(tenant_id)}.")
