"""What is asked of people: a task is pending exactly while its item waits for somebody."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Raw
from msgspec.json import encode

from procession.core.process import (
    QUEUE_PEOPLE,
    QUEUE_REPORTED,
    Event,
    Item,
    Standing,
    Task,
)
from procession.core.states import ItemState

_WAITING = ItemState.WAITING
_ENDED = {ItemState.FAILED: "failed", ItemState.CANCELLED: "cancelled"}
"""How a task ends that nobody has answered; an answered one is completed."""


def asked(
    standing: Standing, moves: Iterable[tuple[Item | None, Item]], event: Event
) -> tuple[Task, ...]:
    """The tasks that begin and end with these moves; nearly always none."""
    tasks = []
    for before, after in moves:
        was = None if before is None else before.state
        if (after.state is _WAITING) is not (was is _WAITING) and after.queue != QUEUE_REPORTED:
            tasks.append(_task(standing, after, event))
    return tuple(tasks)


def _task(standing: Standing, item: Item, event: Event) -> Task:
    at_ms, kind = event.at_ms, "review"
    if item.queue == QUEUE_PEOPLE:
        kind = "form"
    elif item.error is not None:
        kind = "interruption"
    if item.state is _WAITING:
        return Task(item, kind, "pending", at_ms)
    if item.state is ItemState.COMPLETED:
        return Task(item, kind, "completed", at_ms, item.result)
    if "decision" in event.data:
        decided = {"decision": event.data["decision"]}
        return Task(item, kind, "completed", at_ms, Raw(encode(decided)))
    reason = standing.cancel.reason if standing.cancel else "cancelled"
    if item.state is ItemState.FAILED and item.error is not None:
        reason = item.error.message
    return Task(item, kind, _ENDED[item.state], at_ms, Raw(encode({"reason": reason})))
