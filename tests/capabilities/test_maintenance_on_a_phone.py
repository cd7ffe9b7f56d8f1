"""`maintenance`, on a simulated phone behind a real adb."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path
from typing import Any

import pytest
from changed_profile import changed_profile
from phone_bench import Bench
from recorded_job import RecordedJob

from procession.capabilities.capability import PhoneFault, RunFailed, RunStopped, RunTimedOut
from procession.simulator.faults import Fault


def job_of(bench: Bench, *steps: dict[str, Any] | str) -> RecordedJob:
    given = [{"action": step} if isinstance(step, str) else step for step in steps]
    return RecordedJob("maintenance", {"steps": given}, bench.phone)


def edit(**params: Any) -> dict[str, Any]:
    return {"action": "edit_profile", "params": params}


def test_an_edited_profile_is_read_back(bench: Bench) -> None:
    new = {"display_name": "Ann & Bob's", "username": "ann_b", "bio": "Line one\nLine two ✨ 100%s"}
    (step,) = job_of(bench, edit(**new, mutation_kind="rename", randomized=False)).run()["steps"]
    assert bench.account["profile"] == new
    assert step["after"] == new
    assert step["before"] == dict.fromkeys(new, "")
    assert (step["mutation_kind"], step["randomized"]) == ("rename", False)


def test_fields_that_are_not_named_stay_as_they_were(bench: Bench) -> None:
    job_of(bench, edit(display_name="First", bio="Old bio"), edit(bio="New bio")).run()
    assert bench.account["profile"] == {"display_name": "First", "username": "", "bio": "New bio"}


def test_a_field_can_be_emptied(bench: Bench) -> None:
    job_of(bench, edit(bio="Something"), edit(bio="")).run()
    assert bench.account["profile"]["bio"] == ""


def test_a_phone_that_cannot_select_all_has_its_field_cleared_all_the_same(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_of(bench, edit(bio="An old text of some length")).run()
    keys = bench.simulated.app.press_key
    monkeypatch.setattr(
        bench.simulated.app, "press_key", lambda key: None if key == "select_all" else keys(key)
    )
    job_of(bench, edit(bio="New")).run()
    assert bench.account["profile"]["bio"] == "New"


def test_a_field_that_does_not_take_the_text_fails_the_run(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bench.simulated.app, "type", lambda text: None)
    with pytest.raises(RunFailed, match=r"step 2 of 2 \(edit_profile\): profile_bio reads ''"):
        job_of(bench, "health_check", edit(bio="lost")).run()
    assert bench.account["counters"].get("profile_saved", 0) == 0


def test_a_save_that_is_not_confirmed_fails_the_run(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    changed_profile(tmp_path, monkeypatch, {'profile_saved = "Saved"': 'profile_saved = "Done"'})
    with pytest.raises(RunTimedOut, match="to read 'Done'; it reads 'Saved'"):
        job_of(bench, edit(bio="x")).run()


def test_health_is_what_the_phone_says_of_itself(bench: Bench) -> None:
    (step,) = job_of(bench, "health_check").run()["steps"]
    assert step["problems"] == []
    assert step["booted"]
    assert step["app_installed"]
    assert step["battery_percent"] == bench.simulated.battery_percent
    assert step["temperature_c"] == bench.simulated.temperature_c
    assert step["storage_free_mb"] == bench.simulated.storage_free_kb // 1024


def test_ill_health_is_reported_and_fails_nothing(bench: Bench) -> None:
    for fault in (Fault.HOT_BATTERY, Fault.LOW_BATTERY, Fault.LOW_STORAGE):
        bench.simulated.faults.set(fault)
    (step,) = job_of(bench, "health_check").run()["steps"]
    assert step["problems"] == [
        "battery under 15 %",
        "battery over 45 °C",
        "less than 500 MiB free",
    ]


def test_a_screenshot_comes_with_the_result(bench: Bench) -> None:
    (step,) = job_of(bench, "screenshot").run()["steps"]
    png = base64.b64decode(step["png_base64"])
    assert png.startswith(b"\x89PNG")
    assert hashlib.sha256(png).hexdigest() == step["sha256"]
    assert (step["width"], step["height"], step["bytes"]) == (270, 480, len(png))


def test_a_phone_without_a_picture_is_told_apart(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bench.phone, "screenshot", lambda: b"error")
    with pytest.raises(RunFailed, match="5 bytes and no PNG image"):
        job_of(bench, "screenshot").run()


def test_a_restarted_app_keeps_its_data_and_is_on_the_screen(bench: Bench) -> None:
    job_of(bench, edit(bio="kept"), "restart_app", "clear_cache").run()
    assert bench.account["profile"]["bio"] == "kept"
    assert bench.simulated.app.foreground


def test_a_reboot_brings_the_phone_back(bench: Bench) -> None:
    before = bench.simulated.uptime_s
    result = job_of(bench, "reboot", "health_check").run()
    assert bench.simulated.uptime_s < before
    assert result["steps"][1]["booted"]


def test_steps_run_in_order_and_progress_names_them(bench: Bench) -> None:
    job = job_of(bench, "health_check", "screenshot", "restart_app")
    result = job.run()
    names = ["health_check", "screenshot", "restart_app"]
    assert [step["action"] for step in result["steps"]] == names
    assert [message for _, message in job.reports[:-1]] == names
    assert job.lines == [f"done: {name}" for name in names]


def test_a_stop_is_obeyed_between_steps(bench: Bench) -> None:
    job = job_of(bench, "health_check", "screenshot", "restart_app")
    job._stop_when = lambda job: len(job.lines) >= 2
    with pytest.raises(RunStopped):
        job.run()
    assert not any("force-stop" in command for command in bench.phone.commands)


def test_a_fault_in_a_step_stays_the_phones_and_names_the_step(bench: Bench) -> None:
    bench.phone.patience_s = 1.0
    bench.simulated.faults.set(Fault.HANG)
    with pytest.raises(PhoneFault, match=r"step 1 of 1 \(health_check\): the phone did not"):
        job_of(bench, "health_check").run()
