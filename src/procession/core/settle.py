"""The one door for a process's state: sum it up, check the move, give version and milestone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from msgspec import Raw, Struct
from msgspec.json import encode
from msgspec.structs import replace

from procession.core.asking import asked
from procession.core.process import (
    EMPTY,
    QUEUE_REPORTED,
    Change,
    Error,
    Event,
    Item,
    Process,
    Standing,
    Tally,
)
from procession.core.states import (
    FINAL,
    ITEM_ACTIVE,
    ITEM_MOVES,
    MILESTONES,
    MOVES,
    REPORTED_MOVES,
    ItemState,
    State,
)

WAITING_MS_MAX = 30 * 86_400_000
QUEUED_MS_MAX = 7 * 86_400_000
CANCEL_BOUND_MS = 4_000
"""From the order to kill until the process is ended without the agent's word."""
_REOPENING = frozenset({State.PARTIAL, State.FAILED})


class Verdict(Struct, frozen=True):
    """What an outside system says of a process all of whose steps have ended."""

    result: Raw = EMPTY
    error: Error | None = None
    """None: it completed, whatever steps were left out or excused."""


def summed(tally: Tally, cancelling: bool) -> State:
    """The state of a process with these items; `cancelling` if a cancel was asked for."""
    totals = _totals(tally)
    if not totals:
        return State.CANCELLED if cancelling else State.ACCEPTED
    completed = totals.get(ItemState.COMPLETED, 0)
    failed = totals.get(ItemState.FAILED, 0)
    cancelled = totals.get(ItemState.CANCELLED, 0)
    ended = completed + failed + cancelled
    if ended and ended == sum(totals.values()):
        return _ended(completed, failed, cancelled, cancelling)
    if cancelling:
        return State.CANCELLING
    if ItemState.CLAIMED in totals or ItemState.RUNNING in totals:
        return State.RUNNING
    if ItemState.WAITING in totals:
        return State.WAITING
    if ended:
        # Between two items of a fan-out the work is under way, not back where it began.
        return State.RUNNING
    if ItemState.RETRYING in totals:
        return State.RETRYING
    return State.QUEUED


def _totals(tally: Tally) -> Mapping[ItemState, int]:
    if len(tally) == 1:
        return next(iter(tally.values()))
    totals: dict[ItemState, int] = {}
    for counts in tally.values():
        for state, count in counts.items():
            totals[state] = totals.get(state, 0) + count
    return totals


def _ended(completed: int, failed: int, cancelled: int, cancelling: bool) -> State:
    if cancelled and (cancelling or not failed):
        return State.CANCELLED
    if not failed:
        return State.COMPLETED
    return State.PARTIAL if completed else State.FAILED


def moved(tally: Tally, moves: Iterable[tuple[Item | None, Item]]) -> Tally:
    """The tally after these items changed from the first to the second value of each pair."""
    edited = {step: {**counts} for step, counts in tally.items()}
    for before, after in moves:
        counts = edited.setdefault(after.step, {})
        if before is not None:
            if before.state is after.state:
                continue
            assert after.state in ITEM_MOVES[before.state] or (
                after.queue == QUEUE_REPORTED and after.state in REPORTED_MOVES[before.state]
            ), (before.state, after.state)
            left = counts[before.state] - 1
            if left:
                counts[before.state] = left
            else:
                del counts[before.state]
        counts[after.state] = counts.get(after.state, 0) + 1
    return edited


def settle(
    before: Process,
    standing: Standing,
    moves: Iterable[tuple[Item | None, Item]],
    news: tuple[str, Mapping[str, Any]],
    now_ms: int,
    *,
    verdict: Verdict | None = None,
) -> Change:
    """Give `before` its next state, version, deadline and event, from edited items and standing.

    One decision is one event: the milestone when the state changed, else what `news` says. No
    event is earlier than the one before it, whichever server's clock gave the time.
    """
    now_ms = max(now_ms, before.standing.updated_ms)
    pairs = tuple(moves)
    tally = moved(standing.tally, pairs) if pairs else standing.tally
    state, was = summed(tally, standing.cancel is not None), before.standing.state
    if verdict is not None and verdict.error is None:
        assert state in FINAL, state
        state = State.COMPLETED
    name, data = news
    milestone = None
    if state is not was or before.version == 0:
        assert before.version == 0 or state in MOVES[was], (was, state)
        milestone = _milestone(was, state)
        reached = replace(standing, state=state, tally=tally, updated_ms=now_ms)
        standing = _reached(reached, pairs, now_ms, verdict)
    else:
        standing = replace(standing, tally=tally, updated_ms=now_ms)
    version = before.version + 1
    process = replace(
        before, version=version, standing=standing, due_ms=_due_ms(before, standing, now_ms)
    )
    event = Event(
        before.process_id, version, milestone or name, now_ms, data, standing, milestone is not None
    )
    after_all = tuple([after for _, after in pairs])
    return Change(process, after_all, (event,), tasks=asked(standing, pairs, event))


def _milestone(was: State, state: State) -> str | None:
    if was in _REOPENING:
        return MILESTONES[State.RETRYING]
    if state is State.QUEUED and was is not State.ACCEPTED:
        return None
    return MILESTONES[state]


def _reached(
    standing: Standing,
    pairs: tuple[tuple[Item | None, Item], ...],
    now_ms: int,
    verdict: Verdict | None,
) -> Standing:
    """Set the time, error and result that go with a state just reached."""
    match standing.state:
        case State.ACCEPTED:
            return replace(standing, accepted_ms=now_ms)
        case State.QUEUED:
            return replace(standing, queued_ms=standing.queued_ms or now_ms)
        case State.RUNNING:
            return replace(standing, executing_ms=now_ms)
        case State.RETRYING:
            return replace(standing, retrying_ms=now_ms)
        case State.COMPLETED | State.PARTIAL | State.FAILED | State.CANCELLED:
            return _finished(standing, pairs, now_ms, verdict)
    return standing


def _finished(
    standing: Standing,
    pairs: tuple[tuple[Item | None, Item], ...],
    now_ms: int,
    verdict: Verdict | None,
) -> Standing:
    totals = item_counts(standing.tally)
    last = pairs[-1][1] if pairs else None
    percent = 100.0 if standing.state is State.COMPLETED else standing.percent
    if verdict is not None:
        result, error = verdict.result, verdict.error
    else:
        result = last.result if last and totals["items_total"] == 1 else Raw(encode(totals))
        error = _error(standing, last, totals)
    return replace(standing, finished_ms=now_ms, result=result, percent=percent, error=error)


def _error(standing: Standing, last: Item | None, totals: Mapping[str, int]) -> Error | None:
    said = last.error if last and last.error else standing.error
    match standing.state:
        case State.CANCELLED:
            reason = standing.cancel.reason if standing.cancel else "cancelled"
            return Error(reason, "cancelled")
        case State.PARTIAL:
            why = f": {said.message}" if said else ""
            text = f"{totals['items_failed']} of {totals['items_total']} items failed{why}"
            return Error(text, "partial")
        case State.FAILED:
            return said or Error("failed", "failed")
    return None


def item_counts(tally: Tally) -> dict[str, int]:
    """`items_total, items_completed, items_failed, items_cancelled` of a tally."""
    totals = {"items_total": 0, "items_completed": 0, "items_failed": 0, "items_cancelled": 0}
    for counts in tally.values():
        totals["items_total"] += sum(counts.values())
        totals["items_completed"] += counts.get(ItemState.COMPLETED, 0)
        totals["items_failed"] += counts.get(ItemState.FAILED, 0)
        totals["items_cancelled"] += counts.get(ItemState.CANCELLED, 0)
    return totals


def _due_ms(before: Process, standing: Standing, now_ms: int) -> int | None:
    """The deadline of the state: kept while the state stays, except that a cancel sets its own."""
    state, silent_ms_max = standing.state, before.request.silent_ms_max
    if silent_ms_max and state not in FINAL:
        return now_ms + silent_ms_max
    if state in FINAL or (state is State.RUNNING and _is_active(standing.tally)):
        return None
    if state is State.CANCELLING:
        return _cancel_due_ms(standing)
    if state is before.standing.state and before.due_ms is not None:
        return before.due_ms
    if state is State.WAITING:
        return before.request.expires_ms or now_ms + WAITING_MS_MAX
    return now_ms + (before.request.queue_limit_ms or QUEUED_MS_MAX)


def _is_active(tally: Tally) -> bool:
    """Some run is under way, whose own lease and limit are the deadline."""
    return any(not counts.keys().isdisjoint(ITEM_ACTIVE) for counts in tally.values())


def _cancel_due_ms(standing: Standing) -> int | None:
    order = standing.cancel
    assert order is not None
    if order.forced_ms is not None:
        return order.forced_ms + CANCEL_BOUND_MS
    return order.force_at_ms


__all__ = ["CANCEL_BOUND_MS", "EMPTY", "Verdict", "item_counts", "moved", "settle", "summed"]
