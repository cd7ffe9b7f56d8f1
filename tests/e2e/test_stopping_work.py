"""A cancel ends work within its bound, whether the run obeys, ignores it, or lost its agent."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from api import Api, cancelled_within_s
from history import at, verify_log
from world import World

BOUND_S = 5.0
LONG_S = 300
OBEYS = {"seconds": LONG_S}
IGNORES = {"seconds": LONG_S, "ignore_stop": True}
PROCESS_KEYS = {
    "process_id",
    "process_type",
    "request_id",
    "status",
    "target",
    "requested_by",
    "callback",
    "result",
    "error",
    "timestamps",
    "linked_ids",
    "partial_progress",
    "version",
    "wait_reason",
}


def running(api: Api, inputs: Any, **target: Any) -> str:
    process_id = api.submit("sleep", inputs, **target)
    api.until_status(process_id, "executing")
    return process_id


def verify_answer(api: Api, answer: Any, process_id: str) -> None:
    """The compound answer of a cancel that met one active run."""
    item = api.item(process_id)
    assert answer["status"] == "cancel_requested"
    assert answer["cancelled_queue_item_ids"] == []
    assert answer["active_queue_item_ids"] == [item["queue_item_id"]]
    assert answer["active_target"] == {
        "process_id": process_id,
        "phone_id": item["phone_id"],
        "account_id": None,
        "queue_item_id": item["queue_item_id"],
        "capability_request_id": process_id,
    }
    assert answer["process"].keys() == PROCESS_KEYS
    assert answer["process"]["status"] == "executing"
    assert answer["process"]["timestamps"]["cancel_requested_at"] is not None


def test_a_soft_cancel_ends_a_run_that_listens(calm: World) -> None:
    process_id = running(calm.api, OBEYS)
    answer = calm.api.cancel(process_id, "soft")
    verify_answer(calm.api, answer, process_id)
    assert answer["termination"] == {
        "process_id": process_id,
        "status": "requested",
        "terminate_issued": False,
        "container": None,
    }
    record = calm.api.ended(process_id)
    assert cancelled_within_s(record) <= BOUND_S
    assert record["error"]["category"] == "cancelled"
    names = [event["name"] for event in verify_log(calm.api, process_id)]
    assert names.index("cancel_requested") < names.index("cancelled")


def test_a_soft_cancel_never_kills_a_run_that_does_not_listen(calm: World) -> None:
    process_id = running(calm.api, {"seconds": 1.5, "ignore_stop": True})
    calm.api.cancel(process_id, "soft")
    record = calm.api.ended(process_id)
    assert record["status"] == "completed"
    assert record["result"] == {"slept_s": 1.5}


def test_a_hard_cancel_ends_a_run_that_does_not_listen(calm: World) -> None:
    process_id = running(calm.api, IGNORES)
    answer = calm.api.cancel(process_id, "hard")
    verify_answer(calm.api, answer, process_id)
    termination = answer["termination"]
    assert (termination["status"], termination["terminate_issued"]) == ("issued", True)
    assert termination["container"].startswith(answer["active_queue_item_ids"][0])
    assert cancelled_within_s(calm.api.ended(process_id)) <= BOUND_S
    verify_log(calm.api, process_id)


def test_soft_then_force_waits_for_its_delay_and_no_longer(calm: World) -> None:
    process_id = running(calm.api, IGNORES)
    answer = calm.api.cancel(process_id, "soft_then_force", 1)
    verify_answer(calm.api, answer, process_id)
    assert answer["termination"]["status"] == "scheduled"
    asked_at = answer["process"]["timestamps"]["cancel_requested_at"]
    delay = at(answer["termination"]["force_at"]) - at(asked_at)
    assert delay.total_seconds() == 1
    assert 1 <= cancelled_within_s(calm.api.ended(process_id)) <= 1 + BOUND_S


def test_soft_then_force_needs_no_force_for_a_run_that_listens(calm: World) -> None:
    process_id = running(calm.api, OBEYS)
    calm.api.cancel(process_id, "soft_then_force", 60)
    assert cancelled_within_s(calm.api.ended(process_id)) <= BOUND_S


def test_a_repeated_cancel_goes_up_and_never_down(calm: World) -> None:
    process_id = running(calm.api, IGNORES)
    assert calm.api.cancel(process_id, "soft")["termination"]["status"] == "requested"
    assert calm.api.cancel(process_id, "hard")["termination"]["status"] == "issued"
    again = calm.api.cancel(process_id, "soft_then_force", 60)
    assert again["termination"]["status"] in ("issued", "not_needed")
    assert cancelled_within_s(calm.api.ended(process_id)) <= BOUND_S
    again = calm.api.cancel(process_id, "hard")
    assert again["status"] == "ignored_terminal"
    assert again["termination"]["status"] == "not_needed"


def test_what_waits_is_cancelled_in_the_answer_itself(calm: World) -> None:
    before = running(calm.api, OBEYS, phone="phone_01")
    waiting = calm.api.submit("sleep", OBEYS, phone="phone_01")
    reason = calm.api.record(waiting)["wait_reason"]
    assert reason == {"reason": "phone_busy", "position": 1}
    answer = calm.api.cancel(waiting, "soft")
    assert answer["status"] == "cancel_requested"
    assert answer["cancelled_queue_item_ids"] == answer["process"]["linked_ids"]["queue_item_ids"]
    assert answer["active_queue_item_ids"] == []
    assert answer["active_target"]["queue_item_id"] is None
    assert answer["termination"]["status"] == "not_needed"
    assert answer["process"]["status"] == "cancelled"
    calm.api.cancel(before, "hard")
    assert cancelled_within_s(calm.api.ended(before)) <= BOUND_S


def test_thirty_cancels_over_busy_phones_all_hold_the_bound(calm: World) -> None:
    chance = random.Random(7)
    plans = [(chance.choice([OBEYS, IGNORES]), chance.choice([None, 0, 1])) for _ in range(30)]

    def one(number: int) -> float:
        inputs, delay_s = plans[number]
        process_id = running(calm.api, inputs, phone=f"phone_0{1 + number % 6}")
        if delay_s is None:
            calm.api.cancel(process_id, "hard")
        else:
            calm.api.cancel(process_id, "soft_then_force", delay_s)
        return cancelled_within_s(calm.api.ended(process_id)) - (delay_s or 0)

    def lane(first: int) -> list[float]:
        return [one(number) for number in range(first, 30, 6)]

    with ThreadPoolExecutor(6) as pool:
        lanes = [pool.submit(lane, number) for number in range(6)]
        took_s = [one_s for ending in lanes for one_s in ending.result()]
    assert len(took_s) == 30
    assert max(took_s) <= BOUND_S, sorted(took_s)
