"""What must hold of any process and of any change, whatever happened before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from procession.core.process import Change, Item, Process
from procession.core.settle import summed
from procession.core.states import (
    FINAL,
    ITEM_ACTIVE,
    ITEM_FINAL,
    ITEM_MOVES,
    MILESTONES,
    MOVES,
    RETRIABLE,
    ItemState,
    State,
)
from procession.core.stopping import STRATEGIES

ORDERS = ("none", "soft", "hard")
ITEM_ENDS = {ItemState.COMPLETED: "completed", ItemState.FAILED: "failed"}


class Broken(AssertionError):
    """An invariant does not hold."""


def require(holds: bool, why: str) -> None:
    if not holds:
        raise Broken(why)


def check_process(process: Process, items: Sequence[Item], endings: int) -> None:
    """`endings` is how many terminal milestones there were since the last retry."""
    standing = process.standing
    recount: dict[str, dict[ItemState, int]] = {}
    for item in items:
        states = recount.setdefault(item.step, {})
        states[item.state] = states.get(item.state, 0) + 1
        check_item(item)
    require(standing.tally == recount, f"tally {standing.tally}, by recount {recount}")
    expected = summed(recount, standing.cancel is not None)
    require(process.state is expected, f"state {process.state}, summed up {expected}")
    require((standing.finished_ms is not None) == (process.state in FINAL), "finished_ms")
    require(endings == (1 if process.final else 0), f"{endings} ends, but {process.state}")
    require(process.final is (process.due_ms is None) or _time_ends(items), "no deadline")
    require((standing.error is not None) or process.state not in RETRIABLE, "failed, no reason")


def _time_ends(items: Sequence[Item]) -> bool:
    """Active items have leases: their end moves the process on."""
    return any(item.state in ITEM_ACTIVE and item.due_ms is not None for item in items)


def check_item(item: Item) -> None:
    require((item.finished_ms is not None) == (item.state in ITEM_FINAL), "item finished_ms")
    require(item.lease_ms is None or item.due_ms is not None, "a hold without a deadline")
    require(item.lease_ms is None or item.phone_id is not None, "a hold without a phone")
    require(item.state not in ITEM_ACTIVE or item.lease_ms is not None, "active without a lease")
    waits = item.state in (ItemState.SCHEDULED, ItemState.RETRYING)
    require(not waits or item.due_ms is not None, f"{item.state} without a time")
    require(item.order in ORDERS, item.order)


def check_change(before: Process, items: Mapping[str, Item | None], change: Change) -> None:
    """One decision: gapless versions, events that tell the truth, moves out of the tables."""
    process = change.process
    seqs = [event.seq for event in change.events]
    require(seqs == list(range(before.version + 1, process.version + 1)), f"versions {seqs}")
    state = before.state if before.version else None
    for event in change.events:
        state = _check_step(state, event.standing.state, event.name, event.milestone)
    if change.events:
        require(change.events[-1].standing == process.standing, "the last event tells the standing")
    else:
        require(process == before, "a process changed without an event")
    for item in change.items:
        _check_item_move(items[item.item_id], item)
    reopened = before.state in RETRIABLE and process.state not in FINAL
    if not reopened:
        _check_cancel(before, process)


def _check_step(before: State | None, after: State, name: str, milestone: bool) -> State:
    if before is not None and before is not after:
        require(after in MOVES[before], f"{before} to {after}")
        reopened = before in RETRIABLE
        quiet = after is State.QUEUED and before is not State.ACCEPTED and not reopened
        require(milestone is not quiet, f"{before} to {after}: milestone {milestone}")
    if milestone and before not in RETRIABLE:
        require(name == MILESTONES[after], f"{after} was told as {name}")
    require(milestone or name not in ("completed", "failed_terminal", "cancelled"), name)
    return after


def _check_item_move(before: Item | None, after: Item) -> None:
    if before is None:
        return
    if before.state is not after.state:
        require(after.state in ITEM_MOVES[before.state], f"item {before.state} to {after.state}")
    require(after.attempt >= before.attempt, "an attempt went back")
    if after.state in ITEM_ACTIVE and after.attempt == before.attempt:
        softened = ORDERS.index(after.order) < ORDERS.index(before.order)
        require(not softened, f"order {before.order} became {after.order}")


def _check_cancel(before: Process, after: Process) -> None:
    earlier, now = before.standing.cancel, after.standing.cancel
    if earlier is None:
        return
    assert now is not None, "a cancel was forgotten"
    milder = STRATEGIES.index(now.strategy) < STRATEGIES.index(earlier.strategy)
    require(not milder, f"{earlier.strategy} became {now.strategy}")
    require(
        earlier.forced_ms is None or now.forced_ms == earlier.forced_ms, "a kill was taken back"
    )
    if earlier.force_at_ms is not None and now.force_at_ms is not None:
        require(now.force_at_ms <= earlier.force_at_ms, "the kill was put off")
    require(now.requested_ms == earlier.requested_ms, "the first request's time was lost")
