"""`echo`, `sleep` and `fail`: what the tests of everything else rest upon."""

from __future__ import annotations

import pytest
from recorded_job import RecordedJob

from procession.capabilities.capability import RunFailed, RunStopped
from procession.capabilities.registry import find


def test_echo_answers_with_what_it_was_given() -> None:
    inputs = {"deep": [{"er": None}, 1.5, "ä\u0001"], "true": True}
    assert RecordedJob("echo", inputs).run() == inputs


def test_sleep_lasts_as_long_as_asked_and_says_how_far_it_is() -> None:
    job = RecordedJob("sleep", {"seconds": 30})
    assert job.run() == {"slept_s": 30}
    assert job.waited_s == pytest.approx(30)
    percents = [percent for percent, _ in job.reports]
    assert len(percents) > 10
    assert percents == sorted(percents)
    assert percents[-1] < 100


def test_a_long_sleep_reports_a_limited_number_of_times() -> None:
    job = RecordedJob("sleep", {"seconds": 86_400})
    job.run()
    assert len(job.reports) <= 51


def test_sleep_stops_when_told() -> None:
    job = RecordedJob("sleep", {"seconds": 1_000}, stop_when=lambda job: job.waited_s > 100)
    with pytest.raises(RunStopped):
        job.run()
    assert job.waited_s < 200


def test_sleep_can_be_asked_to_be_deaf() -> None:
    job = RecordedJob("sleep", {"seconds": 0.05, "ignore_stop": True}, stop_when=lambda job: True)
    assert job.run() == {"slept_s": 0.05}


@pytest.mark.parametrize(
    ("times", "attempt", "fails"),
    [(0, 1, False), (2, 1, True), (2, 2, True), (2, 3, False), (-1, 1, True), (-1, 99, True)],
)
def test_fail_fails_the_attempts_it_was_asked_to(times: int, attempt: int, fails: bool) -> None:
    job = RecordedJob("fail", {"message": "on purpose", "times": times}, attempt=attempt)
    if not fails:
        assert job.run() == {"attempt": attempt}
        return
    with pytest.raises(RunFailed, match="on purpose") as failure:
        job.run()
    assert failure.value.retry
    assert not failure.value.infrastructure


@pytest.mark.parametrize("name", ["echo", "sleep", "fail"])
def test_interrupted_trials_are_tried_again(name: str) -> None:
    assert find(name).on_interrupted == "retry"
    assert find(name).attempts_max == 3


@pytest.mark.parametrize("name", ["keyword_warmup", "fyp_warmup", "maintenance", "post_video"])
def test_interrupted_phone_actions_are_not(name: str) -> None:
    assert find(name).on_interrupted == "fail"
