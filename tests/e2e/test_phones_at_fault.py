"""A phone that cannot work is shown so, is given nothing, and comes back; its runs say why."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import timedelta

import pytest
from deadline import until
from history import at, stays, verify_log, verify_phones
from stories import Told, own_phones
from world import World, account_of

SHOWN_AS = {
    "phone_01": ("hang", "offline"),
    "phone_02": ("drop", "offline"),
    "phone_03": ("unauthorized", "unauthorized"),
    "phone_04": ("hot_battery", "unhealthy"),
    "phone_05": ("low_battery", "unhealthy"),
    "phone_06": ("low_storage", "unhealthy"),
}
BREAKING = {
    "phone_02": "drop",
    "phone_03": "unauthorized",
    "phone_04": "reboot",
}


@pytest.fixture(autouse=True)
def healthy_again(calm: World) -> Iterator[None]:
    """Faults never outlast the test that switched them on."""
    yield
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
    assert world.api.completed(process_id, 40)["version"] == 4


def test_a_phone_at_fault_is_shown_and_its_work_waits(calm: World) -> None:
    with ThreadPoolExecutor(6) as pool:
        lanes = [pool.submit(waits_and_comes_back, calm, phone_id) for phone_id in SHOWN_AS]
        for lane in lanes:
            lane.result()


def breaks_and_recovers(world: World, phone_id: str, fault: str) -> None:
    """A run whose phone fails under it says so, and completes when the phone is back."""
    target = {"routing": "direct", "phone_id": phone_id, "account_id": account_of(phone_id)}
    process_id = world.api.submit("fyp_warmup", {"minutes": 0.1}, **target)
    until(lambda: "progress" in {e["name"] for e in world.api.events(process_id)})
    world.simulated.fault(phone_id, fault)
    world.api.until_status(process_id, "retrying", within_s=50)
    error = world.api.record(process_id)["error"]
    assert (error["category"], phone_id in error["message"]) == ("failed", True), error
    world.simulated.clear(phone_id)
    world.api.completed(process_id, 60)
    found = stays(process_id, verify_log(world.api, process_id))
    assert len(found) >= 2
    assert {stay.phone_id for stay in found} == {phone_id}
    verify_phones(found)


@pytest.fixture(scope="module", autouse=True)
def hung(calm: World) -> Iterator[Future[None]]:
    """Begun first, since a run waits long for a phone that hangs."""
    with ThreadPoolExecutor(1) as pool:
        yield pool.submit(breaks_and_recovers, calm, "phone_07", "hang")


def test_a_run_whose_phone_fails_is_tried_again_when_it_is_back(calm: World) -> None:
    with ThreadPoolExecutor(len(BREAKING)) as pool:
        lanes = [
            pool.submit(breaks_and_recovers, calm, phone_id, fault)
            for phone_id, fault in BREAKING.items()
        ]
        for lane in lanes:
            lane.result()


def quarantined(world: World) -> None:
    (phone_id,) = own_phones(1)
    # Probes keep away, so that the runs meet the crashes.
    agent = world.start_agent("strict", [phone_id], **{"probe-every-ms": 60_000})
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


STORIES = [quarantined]


def test_a_phone_that_fails_again_and_again_is_quarantined(told: Told) -> None:
    told(quarantined)


def test_a_run_on_a_phone_that_hangs_ends_and_is_tried_again(hung: Future[None]) -> None:
    hung.result()
