"""`post_video`, from a URL to a post in the simulated app."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from asset_server import VIDEO, assets
from changed_profile import changed_profile
from phone_bench import Bench
from recorded_job import RecordedJob

from procession.capabilities.capability import PhoneFault, RunFailed, RunStopped, RunTimedOut
from procession.capabilities.download import DownloadFailed
from procession.capabilities.post_video import PostVideoInput, caption_of
from procession.simulator.faults import Fault

SHA256 = hashlib.sha256(VIDEO).hexdigest()


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with assets() as url:
        yield url


def posting(server: str, bench: Bench, path: str = "video.mp4", **inputs: Any) -> RecordedJob:
    given = {"content_id": "c1", "video_path": f"{server}/{path}", "caption": "A caption"}
    return RecordedJob("post_video", {**given, **inputs}, bench.phone)


def files_left(bench: Bench) -> list[str]:
    listed = bench.phone.shell("ls /sdcard/Download || true")
    return [name for name in listed.split() if name.startswith("procession-")]


def test_the_asset_is_pushed_and_posted_with_its_caption(server: str, bench: Bench) -> None:
    caption = 'It\'s "here"; $(rm -rf /) 100%s\nsecond line 🎬'
    job = posting(server, bench, caption=caption, hashtags=["new", "#clip", "new", "#"])
    result = job.run()
    (post,) = bench.account["posts"]
    assert post["asset_sha256"] == SHA256 == result["asset_sha256"]
    assert post["caption"] == f"{caption} #new #clip" == result["caption"]
    assert post["asset"] == result["asset"]
    assert post["asset"].endswith(".mp4")
    assert bench.phone.pull(result["asset"]) == VIDEO
    assert job.reports[-1] == (100, "posted")


def test_a_caption_of_every_length_allowed_arrives(server: str, bench: Bench) -> None:
    caption = ("long caption % s %s 'x' " * 200)[:3_999] + "."
    posting(server, bench, caption=caption).run()
    assert bench.account["posts"][0]["caption"] == caption


def test_the_file_of_the_last_post_goes_with_the_next(server: str, bench: Bench) -> None:
    posting(server, bench, path="video.mp4").run()
    posting(server, bench, path="video.mov?x=1").run()
    assert [name[-4:] for name in files_left(bench)] == [".mov"]
    assert len(bench.account["posts"]) == 2


def test_what_no_profile_can_set_is_reported_as_not_applied(server: str, bench: Bench) -> None:
    result = posting(server, bench, sound_id="s1").run()
    assert result["not_applied"] == ["sound_id"]


@pytest.mark.parametrize("path", ["missing.mp4", "moved.mp4", "empty.mp4"])
def test_an_asset_that_cannot_be_had_touches_no_phone(server: str, bench: Bench, path: str) -> None:
    with pytest.raises(DownloadFailed):
        posting(server, bench, path).run()
    assert bench.phone.commands == []


def test_a_post_the_app_does_not_confirm_is_never_repeated(
    server: str, bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    changed_profile(tmp_path, monkeypatch, {'"Posted"': '"Published"', "done_s = 60": "done_s = 1"})
    with pytest.raises(RunTimedOut, match=r"submitted, but .* it reads 'Posted'") as failure:
        posting(server, bench).run()
    assert not failure.value.retry
    assert len(bench.account["posts"]) == 1
    assert files_left(bench) == []


def test_a_failure_before_the_submit_may_be_repeated(
    server: str, bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    changed_profile(tmp_path, monkeypatch, {"id/post_button": "id/other_button"})
    with pytest.raises(RunTimedOut) as failure:
        posting(server, bench).run()
    assert failure.value.retry
    assert bench.account["posts"] == []
    assert files_left(bench) == []


@pytest.mark.parametrize("message", ["pushing", "composing", "submitting"])
def test_a_stop_leaves_neither_a_file_nor_a_post(server: str, bench: Bench, message: str) -> None:
    job = posting(server, bench)
    job._stop_when = lambda job: bool(job.reports) and message in job.reports[-1][1]
    with pytest.raises(RunStopped):
        job.run()
    assert files_left(bench) == []
    assert all(
        account["posts"] == [] for account in bench.simulated.app.state()["accounts"].values()
    )


def test_a_phone_that_hangs_at_the_submit_is_at_fault_and_not_asked_again(
    server: str, bench: Bench
) -> None:
    class Hanging(RecordedJob):
        def progress(self, percent: float, message: str = "") -> None:
            super().progress(percent, message)
            if message == "submitting":
                bench.phone.patience_s = 1.0
                bench.simulated.faults.set(Fault.HANG)

    inputs = {"content_id": "c", "video_path": f"{server}/video.mp4", "caption": "x"}
    with pytest.raises(PhoneFault, match="submitted, but not seen to be posted") as failure:
        Hanging("post_video", inputs, bench.phone).run()
    assert failure.value.infrastructure
    assert not failure.value.retry


def test_a_screen_that_says_posted_beforehand_proves_nothing(
    server: str, bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    changed_profile(
        tmp_path,
        monkeypatch,
        {'compose_done = "app.procession.demo:id/status_text"':
         'compose_done = "app.procession.demo:id/caption_field"', '"Posted"': '"A caption"'},
    )  # fmt: skip
    with pytest.raises(RunFailed, match="before anything was submitted"):
        posting(server, bench).run()
    assert bench.account["posts"] == []


def test_hashtags_already_in_the_caption_are_not_doubled() -> None:
    wanted = PostVideoInput("c", "http://h/v", "see #one now", hashtags=["one", "two", " #three "])
    assert caption_of(wanted) == "see #one now #two #three"
