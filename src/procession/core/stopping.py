"""The verbs that end work: cancel, force, and what time does when nobody else has."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from procession.core.errors import WrongState
from procession.core.lifecycle import GRACE_MS, free, interrupt
from procession.core.process import CancelOrder, Change, Error, Item, Process
from procession.core.settle import CANCEL_BOUND_MS, settle
from procession.core.states import ITEM_ACTIVE, ITEM_FINAL, ItemState, State

STRATEGIES = ("soft", "soft_then_force", "hard")
"""From the mildest to the strictest: a repeated cancel may go up, never down."""


def cancel(
    process: Process,
    items: Sequence[Item],
    *,
    strategy: str,
    reason: str,
    force_after_ms: int,
    now_ms: int,
) -> Change:
    """Stop: idle items end now, active ones are told to; `items` are all that have not ended.

    A process that has ended is left as it is (no event). So is one whose running cancel is at
    least as strict.
    """
    earlier = process.standing.cancel
    if process.final or (earlier and not _stricter(earlier, strategy, force_after_ms, now_ms)):
        return Change(process)
    force_at_ms = now_ms + force_after_ms if strategy == "soft_then_force" else None
    hard = strategy == "hard" or force_at_ms == now_ms
    order = CancelOrder(
        strategy=strategy,
        reason=reason,
        requested_ms=earlier.requested_ms if earlier else now_ms,
        force_at_ms=force_at_ms,
        forced_ms=now_ms if hard else None,
    )
    standing = replace(process.standing, cancel=order, cancel_requested_ms=order.requested_ms)
    asked = settle(process, standing, (), ("cancel_requested", {"strategy": strategy}), now_ms)
    moves = [(item, _stopped(item, "hard" if hard else "soft", now_ms)) for item in items]
    if not any(before.state is not after.state for before, after in moves):
        return replace(asked, items=tuple(after for _, after in moves))
    data = {"items": sum(after.state in ITEM_FINAL for _, after in moves)}
    ended = settle(asked.process, asked.process.standing, moves, ("item_cancelled", data), now_ms)
    return replace(ended, events=asked.events + ended.events)


def cancel_at_once(process: Process, items: Sequence[Item], *, reason: str, now_ms: int) -> Change:
    """Cancel, and end without waiting for the worker's word; `items` are all that have not ended.

    Runs under way are killed; each keeps its phone or lane until it is known dead. Raises
    WrongState for a process that has ended.
    """
    if process.final:
        raise WrongState(f"the process is {process.state} already")
    asked = cancel(process, items, strategy="hard", reason=reason, force_after_ms=0, now_ms=now_ms)
    now = {item.item_id: item for item in items} | {item.item_id: item for item in asked.items}
    active = [item for item in now.values() if item.state in ITEM_ACTIVE]
    if not active:
        return asked
    ended = _give_up(asked.process, active, now_ms)
    left = {item.item_id: item for item in (*asked.items, *ended.items)}
    return replace(
        ended,
        items=tuple(left.values()),
        events=asked.events + ended.events,
        tasks=asked.tasks + ended.tasks,
    )


def _stricter(earlier: CancelOrder, strategy: str, force_after_ms: int, now_ms: int) -> bool:
    if earlier.forced_ms is not None:
        return False
    if earlier.strategy == strategy == "soft_then_force":
        assert earlier.force_at_ms is not None
        return now_ms + force_after_ms < earlier.force_at_ms
    return STRATEGIES.index(strategy) > STRATEGIES.index(earlier.strategy)


def _stopped(item: Item, order: str, now_ms: int) -> Item:
    """An active item is told to stop, unless it is not ours to stop and ends with its process."""
    if item.state in ITEM_ACTIVE and item.lease_ms is not None:
        return replace(item, order=order)
    return replace(item, state=ItemState.CANCELLED, due_ms=_hold_due_ms(item), finished_ms=now_ms)


def _hold_due_ms(item: Item) -> int | None:
    return None if item.lease_ms is None else item.lease_ms + GRACE_MS


def force(process: Process, items: Sequence[Item], now_ms: int) -> Change:
    """The delay of `soft_then_force` is over: active work is to be killed."""
    order = process.standing.cancel
    assert order is not None
    standing = replace(process.standing, cancel=replace(order, forced_ms=now_ms))
    moves = [(item, replace(item, order="hard")) for item in items if item.state in ITEM_ACTIVE]
    return settle(process, standing, moves, ("cancel_forced", {"items": len(moves)}), now_ms)


def expire(process: Process, items: Sequence[Item], now_ms: int) -> Change:
    """The deadline of the process's state is over; `items` are all that have not ended."""
    if process.due_ms is None or process.due_ms > now_ms:
        return Change(process)
    if process.state is State.CANCELLING:
        order = process.standing.cancel
        if order is not None and order.forced_ms is None:
            return force(process, items, now_ms)
        return _give_up(process, items, now_ms)
    error = _over(process)
    moves = [
        (
            item,
            replace(
                item,
                state=ItemState.FAILED,
                due_ms=_hold_due_ms(item),
                finished_ms=now_ms,
                error=error,
            ),
        )
        for item in items
        if item.state not in ITEM_ACTIVE or item.lease_ms is None
    ]
    return settle(process, process.standing, moves, ("expired", {"items": len(moves)}), now_ms)


def _over(process: Process) -> Error:
    request = process.request
    if request.expires_ms is not None:
        return Error("nobody answered until it expired", "expired")
    if request.silent_ms_max:
        days = request.silent_ms_max // 86_400_000
        return Error(f"no update came for {days} days", "timeout")
    return Error(f"nothing happened while {process.state} until its time limit", "timeout")


def _give_up(process: Process, items: Sequence[Item], now_ms: int) -> Change:
    """The kill was not confirmed in time: the process ends, its phones stay held."""
    moves = [
        (
            item,
            replace(
                item,
                state=ItemState.CANCELLED,
                finished_ms=now_ms,
                run_until_ms=None,
                due_ms=_hold_due_ms(item),
            ),
        )
        for item in items
    ]
    data = {"items": len(moves), "after_ms": CANCEL_BOUND_MS}
    return settle(process, process.standing, moves, ("cancel_unconfirmed", data), now_ms)


def expire_item(process: Process, item: Item, *, chance: float, now_ms: int) -> Change:
    """What time does to one item whose `due_ms` is over."""
    if item.due_ms is None or item.due_ms > now_ms:
        return Change(process)
    if item.state in ITEM_ACTIVE:
        if item.lease_ms is not None and item.lease_ms + GRACE_MS <= now_ms:
            return interrupt(process, item, chance=chance, now_ms=now_ms, why="its lease ran out")
        return _overran(process, item, now_ms)
    if item.state in (ItemState.SCHEDULED, ItemState.RETRYING):
        after = replace(item, state=ItemState.QUEUED, due_ms=None, lease_ms=None)
        news = ("item_queued", {"item_id": item.item_id})
        return settle(process, process.standing, [(item, after)], news, now_ms)
    return Change(process, (free(item, now_ms),))


def _overran(process: Process, item: Item, now_ms: int) -> Change:
    """The agent did not end a run at its time limit: it ends here, its phone stays held."""
    error = Error("the run went past its time limit", "timeout")
    after = replace(
        item,
        state=ItemState.FAILED,
        order="hard",
        error=error,
        finished_ms=now_ms,
        run_until_ms=None,
        due_ms=_hold_due_ms(item),
    )
    standing = replace(process.standing, error=error)
    news = ("item_overran", {"item_id": item.item_id, "attempt": item.attempt})
    return settle(process, standing, [(item, after)], news, now_ms)
