"""The histories catch bugs: each planted here is found within a few hundred of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from histories import play
from msgspec.structs import replace
from plans import plan_of

from procession.core import lifecycle, settle, stopping
from procession.core.process import Change, Item, Process
from procession.core.states import FINAL, ITEM_ACTIVE, ITEM_FINAL, ItemState

HISTORIES_MAX = 2_000
Plant = Callable[[pytest.MonkeyPatch], None]


def a_fence_that_ignores_attempts(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(lifecycle, "held_by", lambda item, **_: item)


def a_fence_that_ignores_agents(patch: pytest.MonkeyPatch) -> None:
    def held_by(item: Item, *, agent_id: str, attempt: int) -> Item:
        return replace(item, lease_ms=item.lease_ms or 1)

    patch.setattr(lifecycle, "held_by", held_by)


def a_tally_that_only_grows(patch: pytest.MonkeyPatch) -> None:
    def moved(tally: Any, moves: Any) -> Any:
        edited = {step: dict(counts) for step, counts in tally.items()}
        for before, after in moves:
            counts = edited.setdefault(after.step, {})
            if before is None or before.state is not after.state:
                counts[after.state] = counts.get(after.state, 0) + 1
        return edited

    patch.setattr(settle, "moved", moved)


def versions_that_skip(patch: pytest.MonkeyPatch) -> None:
    honest = settle.settle

    def skipping(before: Process, *args: Any) -> Change:
        change = honest(before, *args)
        version = change.process.version + (len(args[1]) > 1)
        return replace(change, process=replace(change.process, version=version))

    _settle(patch, skipping)


def a_kill_that_is_never_ordered(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(stopping, "force", lambda process, items, now_ms: Change(process))


def a_cancel_that_frees_the_phone(patch: pytest.MonkeyPatch) -> None:
    honest = stopping._give_up

    def freeing(process: Process, items: Any, now_ms: int) -> Change:
        change = honest(process, items, now_ms)
        return replace(change, items=tuple(lifecycle.free(i, now_ms) for i in change.items))

    patch.setattr(stopping, "_give_up", freeing)


def an_overrun_that_frees_the_phone(patch: pytest.MonkeyPatch) -> None:
    honest = stopping._overran

    def freeing(process: Process, item: Item, now_ms: int) -> Change:
        change = honest(process, item, now_ms)
        return replace(change, items=tuple(lifecycle.free(i, now_ms) for i in change.items))

    patch.setattr(stopping, "_overran", freeing)


def tries_that_are_not_counted(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(lifecycle, "_may_retry", lambda process, item: True)


def a_claim_that_keeps_the_attempt(patch: pytest.MonkeyPatch) -> None:
    honest = lifecycle.claim

    def claim(process: Process, item: Item, **values: Any) -> Change:
        change = honest(process, item, **values)
        return replace(
            change, items=tuple(replace(i, attempt=max(item.attempt, 1)) for i in change.items)
        )

    patch.setattr(lifecycle, "claim", claim)


def no_grace(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(lifecycle, "GRACE_MS", 0)
    patch.setattr(stopping, "GRACE_MS", 0)


def a_finish_that_a_late_worker_may_do(patch: pytest.MonkeyPatch) -> None:
    honest = lifecycle.finish

    def finish(process: Process, item: Item, **values: Any) -> Change:
        if item.state in ITEM_FINAL and item.lease_ms is None:
            return Change(process, (replace(item, result=values["result"]),))
        return honest(process, item, **values)

    patch.setattr(lifecycle, "finish", finish)


def an_interruption_that_always_tries_again(patch: pytest.MonkeyPatch) -> None:
    honest = lifecycle.interrupt

    def interrupt(process: Process, item: Item, **values: Any) -> Change:
        request = replace(process.request, on_interrupted="retry")
        change = honest(replace(process, request=request), item, **values)
        return replace(change, process=replace(change.process, request=process.request))

    for module in (lifecycle, stopping):
        patch.setattr(module, "interrupt", interrupt)


def losses_that_are_not_counted(patch: pytest.MonkeyPatch) -> None:
    honest = lifecycle.interrupt

    def interrupt(process: Process, item: Item, **values: Any) -> Change:
        change = honest(process, replace(item, lost=0), **values)
        return change

    for module in (lifecycle, stopping):
        patch.setattr(module, "interrupt", interrupt)


def a_retry_that_keeps_the_end(patch: pytest.MonkeyPatch) -> None:
    honest = lifecycle.retry

    def retry(process: Process, items: Any, now_ms: int) -> Change:
        change = honest(process, items, now_ms)
        standing = replace(change.process.standing, finished_ms=now_ms)
        events = tuple(replace(event, standing=standing) for event in change.events)
        return replace(change, process=replace(change.process, standing=standing), events=events)

    patch.setattr(lifecycle, "retry", retry)


def a_retry_that_does_not_wait_for_the_phone(patch: pytest.MonkeyPatch) -> None:
    honest = lifecycle._reopened

    def reopened(item: Item, attempts_max: int) -> Item:
        return honest(replace(item, lease_ms=None), attempts_max)

    patch.setattr(lifecycle, "_reopened", reopened)


def a_cancel_that_can_be_softened(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(stopping, "_stricter", lambda *_: True)


def a_state_without_a_deadline(patch: pytest.MonkeyPatch) -> None:
    honest = settle._due_ms

    def due_ms(before: Process, standing: Any, now_ms: int) -> int | None:
        return None if standing.state == "waiting" else honest(before, standing, now_ms)

    patch.setattr(settle, "_due_ms", due_ms)


def an_end_that_is_told_twice(patch: pytest.MonkeyPatch) -> None:
    honest = settle.settle

    def twice(before: Process, *args: Any) -> Change:
        change = honest(before, *args)
        if change.process.state not in FINAL:
            return change
        again = replace(change.events[0], seq=change.process.version + 1)
        process = replace(change.process, version=again.seq)
        return replace(change, process=process, events=(*change.events, again))

    _settle(patch, twice)


def an_end_that_is_not_told(patch: pytest.MonkeyPatch) -> None:
    honest = settle._milestone

    def milestone(before: Process, state: Any) -> str | None:
        return None if state in FINAL else honest(before, state)

    patch.setattr(settle, "_milestone", milestone)


def a_lease_that_is_renewed_for_anybody(patch: pytest.MonkeyPatch) -> None:
    def renew(process: Process, item: Item, *, lease_ms: int) -> Change:
        return Change(process, (replace(item, lease_ms=lease_ms, due_ms=lease_ms),))

    patch.setattr(lifecycle, "renew", renew)


def a_person_who_answers_for_a_running_item(patch: pytest.MonkeyPatch) -> None:
    honest = lifecycle.answer

    def answer(process: Process, item: Item, **values: Any) -> Change:
        if item.state in ITEM_ACTIVE:
            item = replace(item, state=ItemState.WAITING)
        return honest(process, item, **values)

    patch.setattr(lifecycle, "answer", answer)


def _settle(patch: pytest.MonkeyPatch, settle_so: Callable[..., Change]) -> None:
    for module in (settle, lifecycle, stopping):
        patch.setattr(module, "settle", settle_so)


PLANTED: list[Plant] = [
    a_fence_that_ignores_attempts,
    a_fence_that_ignores_agents,
    a_tally_that_only_grows,
    versions_that_skip,
    a_kill_that_is_never_ordered,
    a_cancel_that_frees_the_phone,
    an_overrun_that_frees_the_phone,
    tries_that_are_not_counted,
    a_claim_that_keeps_the_attempt,
    no_grace,
    a_finish_that_a_late_worker_may_do,
    an_interruption_that_always_tries_again,
    losses_that_are_not_counted,
    a_retry_that_keeps_the_end,
    a_retry_that_does_not_wait_for_the_phone,
    a_cancel_that_can_be_softened,
    a_state_without_a_deadline,
    an_end_that_is_told_twice,
    an_end_that_is_not_told,
    a_lease_that_is_renewed_for_anybody,
    a_person_who_answers_for_a_running_item,
]


@pytest.mark.parametrize("plant", PLANTED, ids=lambda plant: plant.__name__)
def test_a_planted_bug_is_caught(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(monkeypatch)
    with pytest.raises((AssertionError, KeyError)):
        for seed in range(HISTORIES_MAX):
            play(plan_of(seed))
