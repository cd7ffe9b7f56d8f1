"""What each verb does to one item: the rows of the lifecycle, one by one."""

from __future__ import annotations

import pytest
from beginnings import new_item, new_process
from msgspec import Raw
from msgspec.structs import replace
from plans import Shape

from procession.core import lifecycle, stopping
from procession.core.errors import LeaseLost, WrongState
from procession.core.lifecycle import GRACE_MS, RUN_SLACK_MS
from procession.core.process import EMPTY, Change, Error, Item, Process
from procession.core.retry import DELAY_MS_FIRST, DELAY_MS_MAX, delay_ms
from procession.core.states import ITEM_FINAL, ItemState, State

SHAPE = Shape((1,), "fail", 2, 3, 0, False)
PROCESS_ID = "00000000-0000-7000-8000-000000000000"
LEASE_MS = 15_000
FAILED = Error("no such button", "failed")


def planned(shape: Shape = SHAPE, count: int = 1) -> Change:
    accepted = lifecycle.accept(new_process(shape, PROCESS_ID, 0), 0)
    items = [new_item(shape, PROCESS_ID, position, 0) for position in range(count)]
    return lifecycle.plan(accepted.process, items, 0)


def claimed(shape: Shape = SHAPE, now_ms: int = 100) -> Change:
    change = planned(shape)
    return claim(change.process, change.items[0], now_ms)


def claim(process: Process, item: Item, now_ms: int) -> Change:
    return lifecycle.claim(
        process, item, agent_id="a", phone_id="p", lease_ms=now_ms + LEASE_MS, now_ms=now_ms
    )


def running(shape: Shape = SHAPE) -> Change:
    change = claimed(shape)
    return lifecycle.start(change.process, change.items[0], 200)


def finish(change: Change, outcome: ItemState, retry: bool = False, now_ms: int = 300) -> Change:
    return lifecycle.finish(
        change.process,
        change.items[0],
        outcome=outcome,
        result=Raw(b'{"seen":3}'),
        error=FAILED if outcome is ItemState.FAILED else None,
        retry=retry,
        chance=0.5,
        now_ms=now_ms,
    )


def expire(change: Change, now_ms: int) -> Change:
    return stopping.expire_item(change.process, change.items[0], chance=0.5, now_ms=now_ms)


def test_a_completed_run_gives_its_result_and_its_phone_free() -> None:
    done = finish(running(), ItemState.COMPLETED)
    assert done.process.state is State.COMPLETED
    assert bytes(done.process.standing.result) == b'{"seen":3}'
    assert done.process.standing.percent == 100
    assert done.items[0].lease_ms is None and done.items[0].due_ms is None
    assert [event.name for event in done.events] == ["completed"]


def test_no_event_is_earlier_than_the_one_before_it_whichever_clock_was_asked() -> None:
    begun = running()
    assert [event.at_ms for event in begun.events] == [200]
    done = finish(begun, ItemState.COMPLETED, now_ms=150)
    assert [event.at_ms for event in done.events] == [200]
    assert done.process.standing.finished_ms == 200


def test_a_fan_out_over_one_phone_stays_under_way_between_its_items() -> None:
    change = planned(count=2)
    first, second = change.items
    change = finish(claim(change.process, first, 10), ItemState.COMPLETED, now_ms=20)
    assert change.process.state is State.RUNNING and change.process.due_ms is not None
    change = finish(claim(change.process, second, 30), ItemState.FAILED, now_ms=40)
    assert change.process.state is State.PARTIAL
    assert change.process.standing.error == Error("1 of 2 items failed: no such button", "partial")


def test_a_wait_that_is_given_up_between_two_items_ends_partial() -> None:
    change = planned(count=2)
    first, second = change.items
    change = finish(claim(change.process, first, 10), ItemState.COMPLETED, now_ms=20)
    assert change.process.due_ms is not None
    given_up = stopping.expire(change.process, [second], change.process.due_ms)
    assert given_up.process.state is State.PARTIAL


def test_a_failed_try_is_repeated_until_the_tries_are_used_up() -> None:
    change = finish(running(), ItemState.FAILED, retry=True)
    assert change.items[0].state is ItemState.RETRYING
    assert change.items[0].due_ms == 300 + DELAY_MS_FIRST
    queued = expire(change, 300 + DELAY_MS_FIRST)
    assert queued.process.state is State.QUEUED
    again = claim(queued.process, queued.items[0], 2_000)
    assert again.items[0].attempt == 2
    last = finish(again, ItemState.FAILED, retry=True, now_ms=2_100)
    assert last.process.state is State.FAILED
    assert last.process.standing.error == FAILED


def test_a_failure_not_worth_a_retry_ends_at_once() -> None:
    assert finish(running(), ItemState.FAILED, retry=False).process.state is State.FAILED


def test_a_retry_by_hand_gives_as_many_tries_again_under_the_same_id() -> None:
    failed = finish(running(replace_shape(attempts_max=1)), ItemState.FAILED, retry=True)
    again = lifecycle.retry(failed.process, failed.items, 400)
    assert again.process.state is State.QUEUED
    assert again.events[0].name == "retrying" and again.events[0].milestone
    assert again.process.standing.finished_ms is None and again.process.standing.error is None
    item = again.items[0]
    assert (item.item_id, item.state) == (failed.items[0].item_id, ItemState.QUEUED)
    second = finish(claim(again.process, item, 500), ItemState.FAILED, retry=True)
    assert second.process.state is State.FAILED


@pytest.mark.parametrize("state", sorted(set(State) - {State.FAILED, State.PARTIAL}))
def test_only_what_failed_can_be_retried(state: State) -> None:
    process = planned().process
    process = replace(process, standing=replace(process.standing, state=state))
    with pytest.raises(WrongState):
        lifecycle.retry(process, [], 400)


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ("retry", ItemState.RETRYING),
        ("fail", ItemState.FAILED),
        ("ask_human", ItemState.WAITING),
    ],
)
def test_an_interrupted_run_becomes_what_its_capability_says(
    policy: str, expected: ItemState
) -> None:
    over_ms = 100 + LEASE_MS + GRACE_MS
    lost = expire(running(replace_shape(on_interrupted=policy)), over_ms)
    assert lost.items[0].state is expected
    assert lost.items[0].lease_ms is None
    assert lost.process.standing.error is not None
    assert lost.process.standing.error.category == "lease_lost"


@pytest.mark.parametrize("policy", ["retry", "fail", "ask_human"])
def test_a_run_that_had_not_started_is_tried_again_whatever_the_capability_says(
    policy: str,
) -> None:
    lost = expire(claimed(replace_shape(on_interrupted=policy)), 100 + LEASE_MS + GRACE_MS)
    assert lost.items[0].state is ItemState.RETRYING


def test_an_item_that_loses_too_many_leases_is_poison() -> None:
    change = planned(replace_shape(on_interrupted="retry", lost_max=3))
    now_ms = 0
    for loss in range(1, 5):
        taken = claim(change.process, change.items[0], now_ms)
        now_ms += LEASE_MS + GRACE_MS
        lost = expire(taken, now_ms)
        assert lost.items[0].lost == loss
        if loss <= 3:
            now_ms += DELAY_MS_MAX
            change = expire(lost, now_ms)
            assert change.items[0].state is ItemState.QUEUED
    assert lost.process.state is State.FAILED


def test_losses_do_not_use_up_tries() -> None:
    lost = expire(claimed(replace_shape(on_interrupted="retry")), 100 + LEASE_MS + GRACE_MS)
    queued = expire(lost, 1_000_000)
    taken = claim(queued.process, queued.items[0], 1_000_000)
    failed = finish(taken, ItemState.FAILED, retry=True, now_ms=1_000_100)
    assert failed.items[0].state is ItemState.RETRYING


def test_a_lease_is_not_over_before_its_grace_is() -> None:
    change = running()
    over_ms = 100 + LEASE_MS + GRACE_MS
    assert expire(change, over_ms - 1) == Change(change.process)
    assert expire(change, over_ms).items[0].state in ITEM_FINAL


def test_a_run_past_its_limit_ends_but_keeps_its_phone_until_its_lease_is_over() -> None:
    change = running(replace_shape(time_limit_ms=60_000))
    over_ms = 100 + 60_000 + RUN_SLACK_MS
    renewed = lifecycle.renew(change.process, change.items[0], lease_ms=over_ms + LEASE_MS)
    overran = expire(renewed, over_ms)
    assert overran.process.state is State.FAILED
    assert overran.process.standing.error == Error("the run went past its time limit", "timeout")
    assert overran.items[0].lease_ms == over_ms + LEASE_MS
    again = lifecycle.retry(overran.process, overran.items, over_ms + 1)
    assert again.items[0].state is ItemState.RETRYING
    assert again.items[0].due_ms == over_ms + LEASE_MS + GRACE_MS
    dead = finish(again, ItemState.CANCELLED, now_ms=over_ms + 2)
    assert isinstance(dead.answer, LeaseLost)
    assert dead.items[0].lease_ms is None and dead.items[0].due_ms == over_ms + 2


@pytest.mark.parametrize(("agent_id", "attempt"), [("b", 1), ("a", 2), ("a", 0)])
def test_only_the_run_that_holds_an_item_passes_the_fence(agent_id: str, attempt: int) -> None:
    with pytest.raises(LeaseLost):
        lifecycle.held_by(running().items[0], agent_id=agent_id, attempt=attempt)


def test_a_late_worker_is_refused_at_every_write() -> None:
    lost = expire(running(), 100 + LEASE_MS + GRACE_MS)
    item = lost.items[0]
    assert lifecycle.held_by(item, agent_id="a", attempt=1) is item
    with pytest.raises(LeaseLost):
        lifecycle.renew(lost.process, item, lease_ms=99_999)
    with pytest.raises(LeaseLost):
        finish(lost, ItemState.COMPLETED)
    with pytest.raises(LeaseLost):
        lifecycle.interrupt(lost.process, item, chance=0.5, now_ms=1, why="late")
    with pytest.raises(WrongState):
        claim(lost.process, item, 20_000)


def test_the_same_end_told_twice_is_no_refusal_and_changes_nothing() -> None:
    done = finish(running(), ItemState.COMPLETED)
    assert finish(done, ItemState.COMPLETED, now_ms=999) == Change(done.process)


def test_a_second_start_and_an_early_deadline_change_nothing() -> None:
    change = running()
    assert lifecycle.start(change.process, change.items[0], 999) == Change(change.process)
    assert stopping.expire(change.process, change.items, 999) == Change(change.process)


def test_the_agent_that_stops_a_run_by_itself_interrupts_it() -> None:
    change = finish(running(replace_shape(on_interrupted="retry")), ItemState.CANCELLED)
    assert change.items[0].state is ItemState.RETRYING and change.items[0].lost == 1


def test_what_is_scheduled_for_later_may_wait_as_long_as_anything_else_from_then_on() -> None:
    later = planned(replace_shape(scheduled=True))
    starts_ms = later.items[0].due_ms
    assert starts_ms is not None and later.process.due_ms is not None
    assert later.process.due_ms - starts_ms == planned().process.due_ms


@pytest.mark.parametrize("answer", ["retry", "fail"])
def test_a_person_decides_about_a_run_that_waits_for_it(answer: str) -> None:
    over_ms = 100 + LEASE_MS + GRACE_MS
    waiting = expire(running(replace_shape(on_interrupted="ask_human")), over_ms)
    assert waiting.events[0].name == "waiting_review"
    decided = lifecycle.answer(waiting.process, waiting.items[0], decision=answer, now_ms=over_ms)
    assert decided.process.state is (State.QUEUED if answer == "retry" else State.FAILED)
    with pytest.raises(WrongState):
        lifecycle.answer(decided.process, decided.items[0], decision=answer, now_ms=over_ms)


def test_pauses_between_tries_double_up_to_a_cap_and_are_spread() -> None:
    assert [delay_ms(n, 0.5) for n in (1, 2, 3, 4)] == [1_000, 2_000, 4_000, 8_000]
    assert delay_ms(1_000_000, 0.5) == DELAY_MS_MAX
    assert delay_ms(1, 0.0) == 800 and delay_ms(1, 1 - 2**-53) <= 1_200


def test_empty_results_stay_empty_when_a_run_did_not_complete() -> None:
    failed = finish(running(), ItemState.FAILED)
    assert failed.items[0].result == EMPTY


def replace_shape(**values: object) -> Shape:
    return SHAPE._replace(**values)
