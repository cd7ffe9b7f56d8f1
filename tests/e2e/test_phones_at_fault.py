"""A phone that cannot work is shown so, is given nothing, and comes back; its runs say why."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from deadline import until
from history import at, stays, verify_log, verify_phones
from stories import Told
from world import World

SHOWN_AS = {
    "phone_01": ("hang", "offline"),
    "phone_02": ("drop", "offline"),
    "phone_03": ("unauthorized", "unauthorized"),
    "phone_04": ("hot_battery", "unhealthy"),
    "phone_05": ("low_battery", "unhealthy"),
    "phone_06": ("low_storage", "unhealthy"),
}
BREAKING = ["hang", "drop", "unauthorized", "reboot", "crash_mid_command"]


@pytest.fixture
def shaken(calm: World) -> Iterator[World]:
    """The calm installation, whose phones are made well again afterwards."""
    yield calm
    for phone_id in SHOWN_AS:
        calm.simulated.clear(phone_id)
    until(
        lambda: {calm.api.phones()[phone]["state"] for phone in SHOWN_AS} == {"available"},
        40,
        "every phone available",
    )


def waits_and_comes_back(world: World, phone_id: str) -> None:
    """Work for a phone at fault waits, with its reason, until the phone is well."""
    fault, state = SHOWN_AS[phone_id]
    world.simulated.fault(phone_id, fault)
    until(lambda: world.api.phone(phone_id)["state"] == state, 15, f"{phone_id} {state}")
    process_id = world.api.submit("echo", {"fault": fault}, phone=phone_id)
    seen = at(world.api.phone(phone_id)["last_seen_at"]) + timedelta(seconds=1.5)
    until(lambda: at(world.api.phone(phone_id)["last_seen_at"]) > seen, 15, "its agent's reports")
    record = world.api.record(process_id)
    assert record["status"] == "queued"
    assert record["wait_reason"] == {"reason": "phone_offline", "position": 1}
    assert world.api.phone(phone_id)["queue_length"] == 1
    world.simulated.clear(phone_id)
    world.api.completed(process_id, 40)
    assert world.api.item(process_id)["attempt"] == 1


def test_a_phone_at_fault_is_shown_and_its_work_waits(shaken: World) -> None:
    with ThreadPoolExecutor(6) as pool:
        lanes = [pool.submit(waits_and_comes_back, shaken, phone_id) for phone_id in SHOWN_AS]
        for lane in lanes:
            lane.result()


def breaks_and_recovers(world: World, phone_id: str, fault: str) -> None:
    """A run whose phone fails under it says so, and completes when the phone is back."""
    inputs = world.book.inputs(3.0, patience_s=4.0)
    process_id = world.api.submit("witness_talk", inputs, phone=phone_id)
    world.book.until_begun(process_id)
    world.simulated.fault(phone_id, fault)
    until(lambda: world.api.happened(process_id, "retrying"), 20, f"the end of a run under {fault}")
    error = world.api.record(process_id)["error"]
    assert (error["category"], phone_id in error["message"]) == ("failed", True), error
    world.simulated.clear(phone_id)
    assert world.api.completed(process_id, 40)["result"]["attempt"] >= 2
    found = stays(process_id, verify_log(world.api, process_id))
    assert {stay.phone_id for stay in found} == {phone_id}
    verify_phones(found)


def runs_break_and_recover(world: World) -> None:
    phones = world.own_phones(len(BREAKING))
    world.start_agent("shaken", phones)
    with ThreadPoolExecutor(len(BREAKING)) as pool:
        for lane in [
            pool.submit(breaks_and_recovers, world, phone_id, fault)
            for phone_id, fault in zip(phones, BREAKING, strict=True)
        ]:
            lane.result()
    world.book.verify()


def quarantined(world: World) -> None:
    (phone_id,) = world.own_phones(1)
    # Probes keep away, so that the runs meet the crashes.
    agent = world.start_agent("strict", [phone_id], probe_every_ms=60_000)
    process_id = world.api.submit("witness_talk", world.book.inputs(60), phone=phone_id)
    for attempt in (1, 2, 3):
        world.book.until_begun(process_id, attempt)
        world.simulated.fault(phone_id, "crash_mid_command")
    record = world.api.ended(process_id)
    assert record["status"] == "failed_terminal"
    assert phone_id in record["error"]["message"]
    phone = until(
        lambda: (p := world.api.phone(phone_id))["state"] == "quarantined" and p, 20, "quarantine"
    )
    assert phone["quarantine"]
    waiting = world.api.submit("echo", {}, phone=phone_id)
    assert world.api.record(waiting)["wait_reason"]["reason"] == "phone_offline"
    agent.program.send(signal.SIGHUP)
    world.api.completed(waiting)
    assert world.api.phone(phone_id)["quarantine"] is None


STORIES = [runs_break_and_recover, quarantined]


def test_a_run_whose_phone_fails_is_tried_again_when_it_is_back(told: Told) -> None:
    told(runs_break_and_recover)


def test_a_phone_that_fails_again_and_again_is_quarantined(told: Told) -> None:
    told(quarantined)
