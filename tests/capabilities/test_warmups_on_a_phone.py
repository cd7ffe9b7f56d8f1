"""The two warmups, on a simulated phone behind a real adb."""

from __future__ import annotations

import time
from itertools import pairwise
from pathlib import Path

import pytest
from changed_profile import changed_profile
from phone_bench import Bench
from recorded_job import RecordedJob

from procession.capabilities.app import CLIPS_BETWEEN_LOOKS
from procession.capabilities.capability import PhoneFault, RunFailed, RunStopped, RunTimedOut
from procession.capabilities.keyboard import TextUntypable
from procession.simulator.faults import Fault

HOSTILE = [
    "two words",
    'it\'s "quoted"',
    "a & b; reboot",
    "$(reboot) `reboot` ${HOME} $1",
    "100%sure %s %% %d\\n",
    "-n <b>|*?[x]~!#{}",
    "emoji 🎬 ünïcode 日本",
    "x" * 200,
]


def test_every_keyword_arrives_in_the_app_as_it_was_written(bench: Bench) -> None:
    started_at = bench.simulated.started_at
    job = RecordedJob(
        "keyword_warmup", {"keywords": HOSTILE, "minutes_per_keyword": 0.1}, bench.phone
    )
    result = job.run()
    assert bench.account["searches"] == HOSTILE
    assert [one["keyword"] for one in result["keywords"]] == HOSTILE
    assert bench.simulated.started_at == started_at, "nothing in a keyword reached the shell"


def test_the_minutes_are_spent_on_the_results_of_each_keyword(bench: Bench) -> None:
    job = RecordedJob(
        "keyword_warmup", {"keywords": ["one", "two"], "minutes_per_keyword": 0.5}, bench.phone
    )
    began_s = time.monotonic()
    job.run()
    # What a slow machine takes for the looks and moves is taken from the waits between them.
    assert 58 - (time.monotonic() - began_s) < job.waited_s < 62
    percents = [percent for percent, _ in job.reports]
    assert percents == sorted(percents)
    assert percents[-1] == 100
    assert any("'two'" in message for _, message in job.reports)


def test_looking_at_results_acts_on_none_of_them(bench: Bench) -> None:
    RecordedJob("keyword_warmup", {"keywords": ["one"]}, bench.phone).run()
    counters = bench.account["counters"]
    assert set(counters) == {"search_opened", "searches", "swipes"}


def test_the_feed_is_looked_through_for_the_time_given(bench: Bench) -> None:
    job = RecordedJob("fyp_warmup", {"minutes": 1}, bench.phone)
    began_s = time.monotonic()
    result = job.run()
    assert result["moves"] > CLIPS_BETWEEN_LOOKS
    assert bench.account["clips_seen"] == result["moves"] + 1 == int(result["last"])
    assert 55 - (time.monotonic() - began_s) < job.waited_s <= 60
    assert set(bench.account["counters"]) == {"feed_opened", "swipes"}


def test_a_feed_that_does_not_move_fails_the_run(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    changed_profile(tmp_path, monkeypatch, {"id/feed_position": "id/feed_item"})
    monkeypatch.setattr(bench.simulated.app, "swipe", lambda y_from, y_to: None)
    with pytest.raises(RunFailed, match="the feed stood at 'Clip 1'"):
        RecordedJob("fyp_warmup", {"minutes": 0.1}, bench.phone).run()


def test_text_that_cannot_be_typed_is_named(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    changed_profile(tmp_path, monkeypatch, {"set_text = ": "# set_text = "})
    job = RecordedJob("keyword_warmup", {"keywords": ["ok", "né"]}, bench.phone)
    with pytest.raises(TextUntypable, match=r"U\+00E9 \(LATIN SMALL LETTER E WITH ACUTE\)"):
        job.run()
    assert bench.account["searches"] == ["ok"]


def test_a_screen_without_the_element_ends_in_time(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    changed_profile(tmp_path, monkeypatch, {"id/search_button": "id/other_button"})
    with pytest.raises(RunTimedOut, match=r"waited 1 s for .*other_button to appear; it is not"):
        RecordedJob("keyword_warmup", {"keywords": ["ok"]}, bench.phone).run()
    assert bench.account["searches"] == []


def test_an_app_that_is_not_installed_fails_the_run(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    changed_profile(
        tmp_path,
        monkeypatch,
        {'package = "app.procession.demo"': 'package = "app.procession.other"'},
    )
    with pytest.raises(RunFailed, match="unable to resolve") as failure:
        RecordedJob("fyp_warmup", {}, bench.phone).run()
    assert not failure.value.infrastructure


def test_a_profile_without_the_screen_says_so(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    changed_profile(tmp_path, monkeypatch, {"\nsearch = ": "\n# search = "})
    with pytest.raises(RunFailed, match="the app profile demo names no link search"):
        RecordedJob("keyword_warmup", {"keywords": ["ok"]}, bench.phone).run()


@pytest.mark.parametrize("commands", [0, 1, 4, 7, 11])
def test_a_stop_is_obeyed_between_any_two_commands(bench: Bench, commands: int) -> None:
    """However far the run is, a stop lets at most the command under way finish."""
    job = RecordedJob(
        "keyword_warmup",
        {"keywords": ["one", "two"]},
        bench.phone,
        stop_when=lambda job: len(bench.phone.commands) >= commands,
    )
    with pytest.raises(RunStopped):
        job.run()
    assert len(bench.phone.commands) == commands


def test_a_stop_ends_the_viewing(bench: Bench) -> None:
    job = RecordedJob(
        "fyp_warmup", {"minutes": 120}, bench.phone, stop_when=lambda job: job.waited_s > 20
    )
    with pytest.raises(RunStopped):
        job.run()
    assert job.waited_s < 30


@pytest.mark.parametrize("fault", [Fault.HANG, Fault.DROP])
def test_a_phone_that_goes_in_the_middle_is_the_phones_fault(bench: Bench, fault: Fault) -> None:
    class Failing(RecordedJob):
        def log(self, text: str) -> None:
            bench.phone.patience_s = 2.0
            bench.simulated.faults.set(fault)

    job = Failing("keyword_warmup", {"keywords": ["one", "two"]}, bench.phone)
    with pytest.raises(PhoneFault) as failure:
        job.run()
    assert failure.value.retry
    assert failure.value.infrastructure
    assert bench.account["searches"] == ["one"]


def test_a_run_without_a_phone_fails_with_words() -> None:
    with pytest.raises(RunFailed, match="fyp_warmup needs a phone"):
        RecordedJob("fyp_warmup", {}).run()


def test_progress_of_the_feed_only_grows(bench: Bench) -> None:
    job = RecordedJob("fyp_warmup", {"minutes": 0.5}, bench.phone)
    job.run()
    assert all(one <= other for (one, _), (other, _) in pairwise(job.reports))
