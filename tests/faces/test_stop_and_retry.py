"""Cancel with its strategies and its compound answer, decisions about interrupted runs, bulk."""

from __future__ import annotations

from typing import Any

import pytest
from living_server import Api
from requests_by_hand import IDLE_PHONE, cancel_request, fresh, process_of
from worker_by_hand import Worker

KEYS = [
    "status",
    "cancelled_queue_item_ids",
    "active_queue_item_ids",
    "active_target",
    "termination",
    "process",
]


def running(api: Api) -> tuple[Worker, dict[str, Any]]:
    """A worker with a run that has started."""
    phone = fresh("phone")
    worker = Worker(api, phone, agent_id=fresh("agent")).register()
    process_of(api, target={"routing": "group", "phone_ids": [phone]})
    item = worker.claim()
    worker.start(item)
    return worker, item


def cancel(api: Api, process_id: str, strategy: str | None = None, **changes: Any) -> Any:
    reply = api.post(f"/processes/{process_id}/cancel", cancel_request(strategy, **changes))
    assert reply.status == 200, reply
    assert list(reply.json) == KEYS
    assert reply.json["process"] == api.get(f"/processes/{process_id}").json
    return reply.json


def test_waiting_work_is_cancelled_at_once(api: Api) -> None:
    process_id = process_of(api)
    said = cancel(api, process_id)
    (item_id,) = said["process"]["linked_ids"]["queue_item_ids"]
    assert said["status"] == "cancel_requested"
    assert (said["cancelled_queue_item_ids"], said["active_queue_item_ids"]) == ([item_id], [])
    assert said["active_target"] == {
        "process_id": process_id,
        "phone_id": IDLE_PHONE,
        "account_id": None,
        "queue_item_id": None,
        "capability_request_id": process_id,
    }
    assert said["termination"] == {
        "process_id": process_id,
        "status": "not_needed",
        "terminate_issued": False,
        "container": None,
    }
    assert said["process"]["status"] == "cancelled"
    assert said["process"]["error"] == {"message": "not needed", "category": "cancelled"}
    assert said["process"]["timestamps"]["cancel_requested_at"]


def test_an_ended_process_is_left_alone(api: Api) -> None:
    process_id = process_of(api)
    cancel(api, process_id)
    version = api.get(f"/processes/{process_id}").json["version"]
    for strategy in (None, "soft", "hard"):
        said = cancel(api, process_id, strategy)
        assert said["status"] == "ignored_terminal"
        assert (said["cancelled_queue_item_ids"], said["active_queue_item_ids"]) == ([], [])
        assert said["termination"]["status"] == "not_needed"
        assert said["process"]["version"] == version


def test_a_soft_cancel_asks_and_a_hard_one_kills(api: Api) -> None:
    worker, item = running(api)
    soft = cancel(api, item["process_id"], "soft")
    assert soft["termination"]["status"] == "requested"
    assert soft["active_queue_item_ids"] == [item["item_id"]]
    assert soft["active_target"]["queue_item_id"] == item["item_id"]
    assert soft["active_target"]["phone_id"] == worker.phones[0]
    assert soft["process"]["status"] == "executing"
    hard = cancel(api, item["process_id"], "hard")
    assert hard["termination"]["status"] == "issued"
    assert hard["termination"]["terminate_issued"] is True
    assert item["item_id"] in hard["termination"]["container"]
    again = cancel(api, item["process_id"], "soft")
    assert again["termination"]["status"] == "issued"
    worker.finish(item, "cancelled", forced=True)
    assert api.get(f"/processes/{item['process_id']}").json["status"] == "cancelled"


def test_the_default_is_soft_and_then_force(api: Api) -> None:
    worker, item = running(api)
    said = cancel(api, item["process_id"])
    requested = said["process"]["timestamps"]["cancel_requested_at"]
    termination = said["termination"]
    assert (termination["status"], termination["terminate_issued"]) == ("scheduled", False)
    assert requested < termination["force_at"]
    sooner = cancel(api, item["process_id"], force_after_seconds=0)
    assert sooner["termination"]["status"] == "issued"
    worker.finish(item, "cancelled")


@pytest.mark.parametrize(
    "changes",
    [
        {"strategy": "gentle"},
        {"strategy": None},
        {"force_after_seconds": -1},
        {"force_after_seconds": 1.5},
        {"force_after_seconds": "10"},
        {"force_after_seconds": 10**30},
        {"force_after_seconds": None},
        {"reason": 5},
        {"reason": ""},
        {"reason": None},
        {"requested_by": "me"},
        {"requested_by": None},
    ],
)
def test_a_wrong_cancel_is_refused_and_changes_nothing(api: Api, changes: dict[str, Any]) -> None:
    process_id = process_of(api)
    reply = api.post(f"/processes/{process_id}/cancel", cancel_request() | changes)
    assert reply.status == 422
    assert [error["pointer"] for error in reply.json["errors"]] == ["/" + next(iter(changes))]
    assert api.get(f"/processes/{process_id}").json["status"] == "queued"


@pytest.mark.parametrize("missing", ["reason", "requested_by"])
def test_a_cancel_says_why_and_who(api: Api, missing: str) -> None:
    message = cancel_request()
    del message[missing]
    reply = api.post(f"/processes/{process_of(api)}/cancel", message)
    assert reply.status == 422 and reply.json["errors"][0]["pointer"] == f"/{missing}"


def test_only_an_interrupted_run_can_be_decided_about(api: Api) -> None:
    worker, item = running(api)
    path = f"/processes/{item['process_id']}/items/{item['item_id']}/answer"
    reply = api.post(path, {"decision": "retry"})
    assert (reply.status, reply.json["code"]) == (409, "wrong_state")
    assert api.post(path, {"decision": "perhaps"}).status == 422
    other = process_of(api)
    foreign = f"/processes/{other}/items/{item['item_id']}/answer"
    assert api.post(foreign, {"decision": "retry"}).status == 404
    worker.finish(item)


def test_retry_is_refused_unless_failed(api: Api) -> None:
    reply = api.post(f"/processes/{process_of(api)}/retry")
    assert (reply.status, reply.json["code"]) == (409, "wrong_state")


def test_bulk_cancel_counts_first_and_then_stops_what_matches(api: Api) -> None:
    system = fresh("bulk")
    wanted = {"filter": {"search": system}, "reason": "over", "requested_by": {"system": "t"}}
    ids = [process_of(api, request_id=f"{system}-{number}") for number in range(3)]
    bystander = process_of(api)
    dry = api.post("/processes/bulk-cancel", wanted | {"dry_run": True}).json
    assert dry == {"matched": 3, "dry_run": True, "outcomes": []}
    assert api.get(f"/processes/{ids[0]}").json["status"] == "queued"
    done = api.post("/processes/bulk-cancel", wanted).json
    assert done["matched"] == 3 and done["dry_run"] is False
    assert {one["process_id"]: one["status"] for one in done["outcomes"]} == dict.fromkeys(
        ids, "cancel_requested"
    )
    assert {api.get(f"/processes/{one}").json["status"] for one in ids} == {"cancelled"}
    assert api.get(f"/processes/{bystander}").json["status"] == "queued"
    assert api.post("/processes/bulk-cancel", {"filter": wanted["filter"]}).json["matched"] == 0


def test_bulk_retry_takes_what_failed(api: Api) -> None:
    phone, system = fresh("phone"), fresh("bulk")
    worker = Worker(api, phone, agent_id=fresh("agent")).register()
    target = {"routing": "group", "phone_ids": [phone]}
    process_id = process_of(api, request_id=f"{system}-1", target=target)
    worker.run(worker.claim(), outcome="failed", error={"message": "no"})
    process_of(api, request_id=f"{system}-2")
    wanted = {"filter": {"request_id": f"{system}-1", "status": "failed_terminal"}}
    assert api.post("/processes/bulk-retry", wanted | {"dry_run": True}).json["matched"] == 1
    done = api.post("/processes/bulk-retry", wanted).json
    assert done["outcomes"] == [{"process_id": process_id, "status": "retried"}]
    worker.run(worker.claim())


def test_a_bulk_order_without_a_filter_is_refused(api: Api) -> None:
    for path in ("/processes/bulk-cancel", "/processes/bulk-retry"):
        reply = api.post(path, {"reason": "x"})
        assert reply.status == 422 and reply.json["errors"][0]["pointer"] == "/filter"
    reply = api.post("/processes/bulk-retry", {"filter": {"status": "nonsense"}})
    assert reply.json["errors"][0]["pointer"] == "/filter/status"
