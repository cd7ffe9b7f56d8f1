"""Steps that are reported from outside: right whatever is said, in whatever order, how often."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from reported_by_hand import KINDS, Plan, Said, live, plan_of, run, value

from procession.core import reported
from procession.core.errors import WrongState
from procession.core.process import Change
from procession.core.reported import report_of
from procession.core.settle import Verdict
from procession.core.states import ItemState, State

SEEDS = 300
Plant = Callable[[pytest.MonkeyPatch], None]


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    steps = draw(st.integers(1, 5))
    some = st.frozensets(st.integers(0, steps - 1))
    said = st.builds(Said, st.sampled_from(sorted(set(KINDS))), st.integers(0, steps - 1))
    return Plan(steps, draw(some), draw(some), tuple(draw(st.lists(said, max_size=40))))


@settings(max_examples=250, deadline=None)
@given(plans())
def test_any_words_in_any_order_leave_what_the_contract_says(plan: Plan) -> None:
    live(plan)


def test_the_last_step_completes_the_process_wherever_it_stands() -> None:
    life = run(("complete", 1), ("start", 0), ("complete", 0))
    assert life.process.state is State.COMPLETED
    assert life.process.standing.percent == 100.0


def test_an_excused_failure_is_no_failure_of_the_process() -> None:
    life = run(("fail", 0), ("complete", 1), excused=[0])
    assert life.process.state is State.COMPLETED
    assert [item.state for item in life.items] == [ItemState.FAILED, ItemState.COMPLETED]


def test_an_unexcused_failure_ends_it_and_leaves_the_rest() -> None:
    life = run(("complete", 0), ("fail", 1), steps=3)
    assert life.process.standing.error is not None
    assert life.process.standing.error.message == "no"
    assert life.items[2].state is ItemState.CANCELLED


def test_a_retry_opens_what_did_not_complete_and_only_that() -> None:
    life = run(("complete", 0), ("fail", 1), "retry", steps=3)
    assert [item.state for item in life.items] == [
        *(ItemState.COMPLETED, ItemState.QUEUED, ItemState.QUEUED),
    ]
    assert life.process.standing.finished_ms is None
    assert life.process.standing.error is None
    for step in (1, 2):
        life.take(Said("complete", step))
    assert life.process.state is State.COMPLETED


def test_a_summary_may_come_after_the_end_once_more_but_changes_nothing_else() -> None:
    life = run(("fail", 0), ("complete", 1), excused=[0])
    before = life.process
    told = reported.finish(before, life.items, summary=value('{"rows":2}'), now_ms=life.now_ms)
    assert bytes(told.process.standing.result) == b'{"rows":2}'
    assert told.process.version == before.version + 1
    assert told.process.standing.finished_ms == before.standing.finished_ms
    again = reported.finish(
        told.process, life.items, summary=value('{"rows":2}'), now_ms=life.now_ms
    )
    assert again.process is told.process and not again.events


def test_progress_keeps_what_it_does_not_say() -> None:
    life = run(("progress", 0))
    told = reported.progress(
        life.process, life.items[0], human=False, message=None, percent=80, now_ms=9_000
    )
    (item,) = told.items
    assert (item.percent, report_of(item).message) == (80, "m")
    told = reported.progress(
        told.process, item, human=False, message="later", percent=None, now_ms=9_001
    )
    (item,) = told.items
    assert (item.percent, report_of(item).message, report_of(item).detail) == (80, "later", "")


def test_what_was_said_at_the_end_stays_beside_what_was_said_before() -> None:
    life = run(("start", 0), ("progress", 0))
    told = reported.complete(
        life.process, life.items[0], life.items[1:], detail="", data=value("[1]"), now_ms=9_000
    )
    said = report_of(told.items[0])
    assert (said.detail, said.message, bytes(said.data)) == ("d", "m", b"[1]")


@pytest.mark.parametrize("kind", ["start", "progress", "complete", "fail"])
@pytest.mark.parametrize("end", ["finish", "give_up", "cancel", "silence"])
def test_nothing_is_reported_on_a_step_once_the_process_has_ended(kind: str, end: str) -> None:
    life = run(("complete", 0), end)
    for step in (0, 1):
        with pytest.raises(WrongState):
            life._act(Said(kind, step))


def an_end_without_the_last_step(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(reported, "_verdict", lambda others: None)


def an_end_before_the_last_step(patch: pytest.MonkeyPatch) -> None:
    honest = reported._verdict

    def verdict(others: Any) -> Verdict | None:
        return honest(others[1:])

    patch.setattr(reported, "_verdict", verdict)


def a_failure_that_leaves_the_others_open(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(reported, "_left", lambda items, now_ms: [])


def a_late_start_that_begins_again(patch: pytest.MonkeyPatch) -> None:
    def start(process: Any, item: Any, *, human: bool, detail: str, now_ms: int) -> Change:
        reported._going(process)
        after = reported._started(item, human=human, detail=detail, now_ms=now_ms)
        after = replace(after, finished_ms=None)
        news = ("step_started", {"step": item.step})
        return reported.settle(process, process.standing, [(item, after)], news, now_ms)

    patch.setattr(reported, "start", start)


def words_that_are_taken_after_the_end(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(reported, "_going", lambda process: None)


def a_retry_of_everything(patch: pytest.MonkeyPatch) -> None:
    honest = reported.retry

    def retry(process: Any, items: Any, now_ms: int) -> Change:
        change = honest(process, items, now_ms)
        return replace(change, items=change.items[1:])

    patch.setattr(reported, "retry", retry)


def a_repeat_that_is_told_again(patch: pytest.MonkeyPatch) -> None:
    honest = reported.complete

    def complete(process: Any, item: Any, others: Any, **values: Any) -> Change:
        change = honest(process, item, others, **values)
        if change.events:
            return change
        news = ("step_completed", {"step": item.step})
        return reported.settle(process, process.standing, (), news, values["now_ms"])

    patch.setattr(reported, "complete", complete)


def progress_beyond_the_whole(patch: pytest.MonkeyPatch) -> None:
    honest = reported._at

    def at(process: Any, ended: int = 0) -> Any:
        standing = honest(process, ended)
        return replace(standing, percent=(standing.percent or 0) + 50)

    patch.setattr(reported, "_at", at)


PLANTED: list[Plant] = [
    an_end_without_the_last_step,
    an_end_before_the_last_step,
    a_failure_that_leaves_the_others_open,
    a_late_start_that_begins_again,
    words_that_are_taken_after_the_end,
    a_retry_of_everything,
    a_repeat_that_is_told_again,
    progress_beyond_the_whole,
]


@pytest.mark.parametrize("plant", PLANTED, ids=lambda plant: plant.__name__)
def test_a_planted_bug_is_caught(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(monkeypatch)
    with pytest.raises((AssertionError, KeyError)):
        for seed in range(SEEDS):
            live(plan_of(seed))


def test_drawn_lives_end_in_every_way() -> None:
    ends = {live(plan_of(seed)).process.state for seed in range(SEEDS)}
    assert ends >= {State.COMPLETED, State.FAILED, State.PARTIAL, State.CANCELLED}
