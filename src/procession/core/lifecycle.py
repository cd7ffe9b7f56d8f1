"""One function a verb: a process, its items and a fact in, a Change out.

Nothing here reads a clock or draws a number; nothing here knows a database. A verb gets the
process and only the items it touches, so it costs the same however many siblings there are.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Raw
from msgspec.structs import replace

from procession.core import retry as retrying
from procession.core.errors import LeaseLost, WrongState
from procession.core.process import (
    EMPTY,
    QUEUE_PEOPLE,
    Change,
    Error,
    Item,
    Note,
    Process,
    Standing,
)
from procession.core.settle import settle
from procession.core.states import ITEM_ACTIVE, ITEM_FINAL, RETRIABLE, ItemState

GRACE_MS = 2_000
"""After a lease is over: what a stopped agent's last kill may take."""
RUN_MS_MAX = 7 * 86_400_000
"""For a capability that states no limit of its own."""
RUN_SLACK_MS = 30_000
"""The server's own limit on a run lies this far behind the agent's."""


def accept(process: Process, now_ms: int) -> Change:
    """The process exists; nothing is planned yet."""
    standing = replace(process.standing, accepted_ms=now_ms)
    return settle(process, standing, (), ("accepted", {}), now_ms)


def plan(process: Process, items: Sequence[Item], now_ms: int) -> Change:
    """Its items are known and wait for their phones; the wait counts from the time they may."""
    standing = process.standing
    if len(items) == 1:
        standing = replace(standing, phone_id=items[0].phone_id, account_id=items[0].account_id)
    news = ("planned", {"items": len(items)})
    change = settle(process, standing, [(None, item) for item in items], news, now_ms)
    put_off_ms = max([item.due_ms or 0 for item in items], default=0) - now_ms
    if put_off_ms <= 0 or change.process.due_ms is None:
        return change
    later = replace(change.process, due_ms=change.process.due_ms + put_off_ms)
    return replace(change, process=later)


def claim(
    process: Process, item: Item, *, agent_id: str, phone_id: str, lease_ms: int, now_ms: int
) -> Change:
    """An agent takes the item for a phone until `lease_ms`; the attempt becomes its fence."""
    if item.state is not ItemState.QUEUED or item.lease_ms is not None:
        raise WrongState(f"item is {item.state}, not queued")
    run_until_ms = now_ms + (process.request.time_limit_ms or RUN_MS_MAX) + RUN_SLACK_MS
    after = replace(
        item,
        state=ItemState.CLAIMED,
        attempt=item.attempt + 1,
        agent_id=agent_id,
        phone_id=phone_id,
        lease_ms=lease_ms,
        run_until_ms=run_until_ms,
        due_ms=_lease_due_ms(lease_ms, run_until_ms),
        order="none",
        claimed_ms=now_ms,
        started_ms=None,
        percent=None,
    )
    standing = process.standing
    if process.items_total == 1:
        standing = replace(standing, phone_id=phone_id, attempt=after.attempt)
    news = {"item_id": item.item_id, "phone_id": phone_id, "attempt": after.attempt}
    return settle(process, standing, [(item, after)], ("item_claimed", news), now_ms)


def start(process: Process, item: Item, now_ms: int) -> Change:
    """The run begins: from here on an interruption is what `on_interrupted` says."""
    if item.state is ItemState.RUNNING:
        return Change(process)
    after = replace(item, state=ItemState.RUNNING, started_ms=now_ms)
    return settle(process, process.standing, [(item, after)], _news("item_started", item), now_ms)


def report(
    process: Process, item: Item, *, percent: float | None, message: str, now_ms: int
) -> Change:
    """The run got further."""
    standing = process.standing
    if process.items_total == 1:
        standing = replace(standing, percent=percent, message=message)
    after = replace(item, percent=percent)
    data = {"item_id": item.item_id, "percent": percent, "message": message}
    return settle(process, standing, [(item, after)], ("progress", data), now_ms)


def renew(process: Process, item: Item, *, lease_ms: int) -> Change:
    """The run is alive: its phone stays held until `lease_ms`, even if the item has ended."""
    if item.lease_ms is None:
        raise LeaseLost
    after = replace(item, lease_ms=lease_ms, due_ms=_lease_due_ms(lease_ms, item.run_until_ms))
    return Change(process, (after,))


def finish(
    process: Process,
    item: Item,
    *,
    outcome: ItemState,
    result: Raw,
    error: Error | None,
    retry: bool,
    chance: float,
    now_ms: int,
) -> Change:
    """The run is known dead and ended so; its phone is free.

    Raises LeaseLost when the item has ended otherwise meanwhile (a repeat of the same end is
    accepted). A held item that had ended already only gives its phone free.
    """
    if item.state not in ITEM_ACTIVE:
        return _ended_before(process, item, outcome, now_ms)
    if outcome is ItemState.CANCELLED and item.order == "none":
        return interrupt(process, item, chance=chance, now_ms=now_ms, why="the agent stopped it")
    if outcome is ItemState.FAILED and retry and _may_retry(process, item):
        return _again(process, item, error, chance, now_ms)
    after = replace(
        item,
        state=outcome,
        lease_ms=None,
        due_ms=None,
        finished_ms=now_ms,
        error=error,
        result=result if outcome is ItemState.COMPLETED else EMPTY,
    )
    name = f"item_{outcome.value}"
    return settle(process, _told(process, error), [(item, after)], _news(name, after), now_ms)


def _ended_before(process: Process, item: Item, outcome: ItemState, now_ms: int) -> Change:
    """The end of a run whose item is active no more: it gives its phone free, or came twice."""
    if item.lease_ms is not None:
        return Change(process, (free(item, now_ms),), (), LeaseLost())
    if item.state is outcome:
        return Change(process)
    raise LeaseLost


def interrupt(process: Process, item: Item, *, chance: float, now_ms: int, why: str) -> Change:
    """The run was lost: its lease ran out or its agent gave it up. Raises LeaseLost if not active.

    Before the start it is tried again; after it, as the capability's `on_interrupted` says. Lost
    leases are counted apart from tries, and too many are poison.
    """
    if item.state not in ITEM_ACTIVE:
        raise LeaseLost
    request = process.request
    error = Error(f"the run was interrupted: {why}", "lease_lost")
    lost = replace(item, lost=item.lost + 1, lease_ms=None, due_ms=None, error=error)
    policy = "retry" if item.state is ItemState.CLAIMED else request.on_interrupted
    if process.standing.cancel is not None or item.order != "none":
        after = replace(lost, state=ItemState.CANCELLED, finished_ms=now_ms)
    elif lost.lost > request.lost_max or policy == "fail":
        after = replace(lost, state=ItemState.FAILED, finished_ms=now_ms)
    elif policy == "ask_human":
        after = replace(lost, state=ItemState.WAITING)
    else:
        due_ms = now_ms + retrying.delay_ms(lost.lost, chance)
        after = replace(lost, state=ItemState.RETRYING, due_ms=due_ms)
    news = ("lease_lost", {**_news("", item)[1], "why": why})
    return settle(process, _told(process, error), [(item, after)], news, now_ms)


def ask(process: Process, item: Item, *, draft: Raw, now_ms: int) -> Change:
    """The run has ended with a draft that a person must see; its lane is free.

    Raises LeaseLost as `finish` does. One that was told to stop is cancelled: nobody wants the
    draft any more.
    """
    if item.state not in ITEM_ACTIVE:
        return _ended_before(process, item, ItemState.WAITING, now_ms)
    asked = replace(item, lease_ms=None, due_ms=None, error=None)
    if process.standing.cancel is not None or item.order != "none":
        after = replace(asked, state=ItemState.CANCELLED, finished_ms=now_ms)
        news = _news("item_cancelled", after)
        return settle(process, process.standing, [(item, after)], news, now_ms)
    after = replace(asked, state=ItemState.WAITING)
    change = settle(
        process, process.standing, [(item, after)], _news("review_wanted", after), now_ms
    )
    return replace(change, notes=(Note(item.item_id, process.process_id, "draft", draft),))


def review(process: Process, item: Item, *, decision: Raw, word: str, now_ms: int) -> Change:
    """A person decided about a draft: the job runs again, with the decision; not a further try.

    Raises WrongState.
    """
    if item.state is not ItemState.WAITING or item.error is not None:
        raise WrongState(f"item is {item.state}, not waiting for a review")
    after = replace(item, state=ItemState.QUEUED, due_ms=None, attempts_max=item.attempts_max + 1)
    news = ("reviewed", {"item_id": item.item_id, "decision": word})
    change = settle(process, process.standing, [(item, after)], news, now_ms)
    return replace(change, notes=(Note(item.item_id, process.process_id, "decision", decision),))


def answer(process: Process, item: Item, *, decision: str, now_ms: int) -> Change:
    """A person decided about an interrupted run: `retry` or `fail`."""
    if item.state is not ItemState.WAITING or item.error is None:
        raise WrongState(f"item is {item.state}, not waiting after an interruption")
    if decision == "retry":
        after = replace(item, state=ItemState.QUEUED, due_ms=None)
    else:
        after = replace(item, state=ItemState.FAILED, finished_ms=now_ms)
    news = ("item_answered", {"item_id": item.item_id, "decision": decision})
    return settle(process, process.standing, [(item, after)], news, now_ms)


def fulfil(process: Process, item: Item, *, data: Raw, now_ms: int) -> Change:
    """A person did what was asked; `data` is their answer. Raises WrongState."""
    if item.state is not ItemState.WAITING or item.queue != QUEUE_PEOPLE:
        raise WrongState(f"item is {item.state}, not waiting for a person's answer")
    after = replace(item, state=ItemState.COMPLETED, finished_ms=now_ms, result=data)
    news = _news("item_completed", after)
    return settle(process, process.standing, [(item, after)], news, now_ms)


def retry(process: Process, items: Sequence[Item], now_ms: int) -> Change:
    """Everything that failed is tried again under the same ids. Raises WrongState if not failed."""
    if process.state not in RETRIABLE:
        raise WrongState(f"process is {process.state}; only a failed one can be retried")
    moves = [
        (item, _reopened(item, process.request.attempts_max))
        for item in items
        if item.state is ItemState.FAILED
    ]
    standing = replace(
        process.standing,
        finished_ms=None,
        error=None,
        result=EMPTY,
        cancel=None,
        cancel_requested_ms=None,
        percent=None,
        message="",
        retrying_ms=now_ms,
    )
    news = ("retrying", {"items": len(moves)})
    return settle(process, standing, moves, news, now_ms)


def free(item: Item, now_ms: int) -> Item:
    """The item with its phone given free: its former run is known dead or presumed so."""
    if item.state is ItemState.RETRYING:
        return replace(item, lease_ms=None, due_ms=now_ms)
    return replace(item, lease_ms=None, due_ms=None)


def held_by(item: Item, *, agent_id: str, attempt: int) -> Item:
    """The item, if this agent's run of this attempt holds it. Raises LeaseLost."""
    if item.attempt != attempt or item.agent_id != agent_id:
        raise LeaseLost
    return item


def _reopened(item: Item, attempts_max: int) -> Item:
    """A held phone is waited for: the next try is due when its lease and grace are over."""
    state, due_ms = ItemState.QUEUED, None
    if item.lease_ms is not None:
        state, due_ms = ItemState.RETRYING, item.lease_ms + GRACE_MS
    return replace(
        item,
        state=state,
        due_ms=due_ms,
        finished_ms=None,
        error=None,
        lost=0,
        attempts_max=item.attempt + attempts_max,
    )


def _again(process: Process, item: Item, error: Error | None, chance: float, now_ms: int) -> Change:
    due_ms = now_ms + retrying.delay_ms(item.attempt - item.lost, chance)
    after = replace(
        item, state=ItemState.RETRYING, lease_ms=None, due_ms=due_ms, error=error, order="none"
    )
    news = ("item_retrying", {**_news("", item)[1], "due_ms": due_ms})
    return settle(process, _told(process, error), [(item, after)], news, now_ms)


def _may_retry(process: Process, item: Item) -> bool:
    tries = item.attempt - item.lost
    return tries < item.attempts_max and process.standing.cancel is None and item.order == "none"


def _told(process: Process, error: Error | None) -> Standing:
    if error is None:
        return process.standing
    return replace(process.standing, error=error)


def _news(name: str, item: Item) -> tuple[str, dict[str, object]]:
    data: dict[str, object] = {
        "item_id": item.item_id,
        "phone_id": item.phone_id,
        "attempt": item.attempt,
    }
    if item.error is not None and item.state in ITEM_FINAL:
        data["error"] = item.error.message
    return name, data


def _lease_due_ms(lease_ms: int, run_until_ms: int | None) -> int:
    over_ms = lease_ms + GRACE_MS
    return over_ms if run_until_ms is None else min(over_ms, run_until_ms)
