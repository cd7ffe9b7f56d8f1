"""The record of a process, its versions, its long poll, its log, items and callbacks."""

from __future__ import annotations

import re
import threading
import time

from living_server import Api, until
from plain_receiver import receiving
from requests_by_hand import cancel_request, fresh, process_of
from worker_by_hand import Worker

SEED_KEYS = [
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
]
TIMES = [
    "created_at",
    "accepted_at",
    "queued_at",
    "executing_at",
    "retrying_at",
    "cancel_requested_at",
    "finished_at",
]
STAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


def phone_of(api: Api) -> tuple[Worker, str]:
    """A worker with a phone of its own, and that phone."""
    phone = fresh("phone")
    return Worker(api, phone, agent_id=fresh("agent")).register(), phone


def test_every_key_is_there_in_order_from_the_first_moment(api: Api) -> None:
    record = api.get(f"/processes/{process_of(api)}").json
    assert list(record) == [*SEED_KEYS, "version", "wait_reason"]
    assert list(record["target"])[:2] == ["account_id", "phone_id"]
    assert list(record["timestamps"]) == TIMES
    assert list(record["linked_ids"]) == ["queue_item_ids", "completed_queue_item_ids"]
    assert record["result"] == {} and record["error"] is None
    assert record["partial_progress"] == {}
    assert record["status"] == "queued"


def test_a_record_follows_a_run_from_claim_to_result(api: Api) -> None:
    worker, phone = phone_of(api)
    group = {"routing": "group", "phone_ids": [phone]}
    process_id = process_of(api, target=group, inputs={"say": "ü"})
    path = f"/processes/{process_id}"
    item = worker.claim()
    claimed = api.get(path).json
    assert (claimed["status"], claimed["target"]["phone_id"]) == ("executing", phone)
    assert claimed["wait_reason"] is None
    worker.start(item)
    worker.progress(item, 40, "on it")
    half = api.get(path).json
    assert half["partial_progress"] == {
        "items_total": 1,
        "items_completed": 0,
        "items_failed": 0,
        "items_cancelled": 0,
        "percent": 40.0,
        "message": "on it",
    }
    worker.finish(item, result={"say": "ü"})
    done = api.get(path).json
    assert (done["status"], done["result"], done["error"]) == ("completed", {"say": "ü"}, None)
    assert done["linked_ids"]["completed_queue_item_ids"] == [item["item_id"]]
    assert done["partial_progress"]["items_completed"] == 1
    assert claimed["version"] < half["version"] < done["version"]
    times = done["timestamps"]
    reached = [times[name] for name in TIMES if times[name] is not None]
    assert all(STAMP.fullmatch(at) for at in reached) and reached == sorted(reached)
    assert times["retrying_at"] is times["cancel_requested_at"] is None


def test_a_failure_is_told_with_its_category_and_can_be_retried(api: Api) -> None:
    worker, phone = phone_of(api)
    process_id = process_of(api, target={"routing": "group", "phone_ids": [phone]})
    worker.run(
        worker.claim(), outcome="failed", error={"message": "it broke", "category": "timeout"}
    )
    failed = api.get(f"/processes/{process_id}").json
    assert failed["status"] == "failed_terminal"
    assert failed["error"] == {"message": "it broke", "category": "timeout"}
    retried = api.post(f"/processes/{process_id}/retry")
    assert retried.status == 200 and retried.json["process_id"] == process_id
    assert retried.json["error"] is None and retried.json["timestamps"]["finished_at"] is None
    worker.run(worker.claim())
    assert api.get(f"/processes/{process_id}").json["status"] == "completed"
    again = api.post(f"/processes/{process_id}/retry")
    assert (again.status, again.json["code"]) == (409, "wrong_state")


def test_partial_success_ends_as_failed_with_what_finished(api: Api) -> None:
    one, two = fresh("phone"), fresh("phone")
    worker = Worker(api, one, two, agent_id=fresh("agent")).register()
    process_id = process_of(api, target={"routing": "group", "phone_ids": [one, two]})
    good, bad = worker.claim(one), worker.claim(two)
    worker.run(good)
    worker.run(bad, outcome="failed", error={"message": "no"})
    record = api.get(f"/processes/{process_id}").json
    assert (record["status"], record["error"]["category"]) == ("failed_terminal", "partial")
    assert record["linked_ids"]["completed_queue_item_ids"] == [good["item_id"]]
    progress = record["partial_progress"]
    assert (progress["items_total"], progress["items_completed"], progress["items_failed"]) == (
        2,
        1,
        1,
    )


def test_a_waiting_process_says_why(api: Api) -> None:
    worker, phone = phone_of(api)
    target = {"routing": "group", "phone_ids": [phone]}
    process_of(api, target=target)
    item = worker.claim()
    first, second = process_of(api, target=target), process_of(api, target=target)
    reasons = [api.get(f"/processes/{one}").json["wait_reason"] for one in (first, second)]
    assert reasons == [
        {"reason": "phone_busy", "position": 1},
        {"reason": "phone_busy", "position": 2},
    ]
    worker.run(item)


def test_the_version_is_the_etag_and_an_unchanged_record_is_not_sent(api: Api) -> None:
    path = f"/processes/{process_of(api)}"
    first = api.get(path)
    etag = first.headers["etag"]
    assert etag == f'"v{first.json["version"]}"'
    for value in (etag, f"W/{etag}", f'"other", {etag}', "*"):
        same = api.get(path, If_None_Match=value)
        assert (same.status, same.body, same.headers["etag"]) == (304, b"", etag)
    for value in ('"v1"', '"v999"', "nonsense", '"vx"'):
        assert api.get(path, If_None_Match=value).status == 200
    assert api.send("HEAD", path).headers["etag"] == etag
    cancelled = api.post(f"{path}/cancel", cancel_request())
    assert cancelled.headers["etag"] != etag
    assert api.get(path, If_None_Match=etag).status == 200


def test_a_long_poll_is_answered_as_soon_as_something_happens(api: Api) -> None:
    path = f"/processes/{process_of(api)}"
    version = api.get(path).json["version"]
    answers = []

    def wait() -> None:
        other = api.as_(api.token)
        started = time.monotonic()
        answers.append((other.get(f"{path}?wait=20&version={version}"), time.monotonic() - started))
        other.close()

    waiting = threading.Thread(target=wait)
    waiting.start()
    until(lambda: b"procession_requests_waiting 1.0" in api.get("/metrics").body)
    api.post(f"{path}/cancel", cancel_request())
    waiting.join(15)
    reply, seconds = answers[0]
    assert reply.status == 200 and reply.json["version"] > version
    assert seconds < 10


def test_a_long_poll_without_news_ends_unchanged(api: Api) -> None:
    path = f"/processes/{process_of(api)}"
    first = api.get(path)
    started = time.monotonic()
    reply = api.get(f"{path}?wait=1&version={first.json['version']}")
    assert (reply.status, reply.headers["etag"]) == (304, first.headers["etag"])
    assert 0.9 < time.monotonic() - started < 15
    assert api.get(f"{path}?wait=1", If_None_Match=first.headers["etag"]).status == 304
    assert api.get(f"{path}?wait=20&version=0").status == 200
    assert api.get(f"{path}?wait=20").status == 200


def test_a_wrong_wait_is_refused(api: Api) -> None:
    path = f"/processes/{process_of(api)}"
    for query in ("wait=-1", "wait=soon", "version=-1", "wait=nan", "version=1.5"):
        assert api.get(f"{path}?{query}").status == 422, query


def test_the_log_has_no_gaps_and_can_be_read_in_parts(api: Api) -> None:
    worker, phone = phone_of(api)
    process_id = process_of(api, target={"routing": "group", "phone_ids": [phone]})
    item = worker.claim()
    worker.start(item)
    for percent in (10, 20, 30):
        worker.progress(item, percent)
    worker.finish(item)
    path = f"/processes/{process_id}"
    events = api.get(f"{path}/events").json["events"]
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    names = [event["name"] for event in events]
    assert names[:3] == ["accepted", "planned", "executing"] and names[-1] == "completed"
    assert names.count("progress") == 3
    assert all(
        STAMP.fullmatch(event["at"]) and list(event) == ["seq", "name", "at", "data"]
        for event in events
    )
    assert api.get(path).json["version"] == events[-1]["seq"]
    part = api.get(f"{path}/events?after=2&limit=2").json["events"]
    assert part == events[2:4]


def test_items_show_their_attempts_and_outputs(api: Api) -> None:
    worker, phone = phone_of(api)
    process_id = process_of(api, target={"routing": "group", "phone_ids": [phone]})
    item = worker.claim()
    worker.run(item, output="line one\nline two\n")
    path = f"/processes/{process_id}/items"
    (shown,) = api.get(path).json["items"]
    assert (shown["queue_item_id"], shown["queue_status"]) == (item["item_id"], "DONE")
    assert (shown["attempt"], shown["phone_id"], shown["lease_expires_at"]) == (1, phone, None)
    outputs = api.get(f"{path}/{item['item_id']}/output").json["outputs"]
    assert outputs == [{"attempt": 1, "text": "line one\nline two\n", "truncated": False}]
    assert api.get(f"{path}/{process_id}/output").status == 404


def test_items_are_read_page_by_page(api: Api) -> None:
    phones = [fresh("phone") for _ in range(5)]
    Worker(api, *phones, agent_id=fresh("agent")).register()
    process_id = process_of(api, target={"routing": "group", "phone_ids": phones})
    path = f"/processes/{process_id}/items?limit=2"
    seen: list[str] = []
    after: str | None = ""
    while after is not None:
        page = api.get(f"{path}&after={after}").json
        seen += [item["phone_id"] for item in page["items"]]
        after = page["next_after"]
    assert seen == phones


def test_callbacks_carry_the_record_are_listed_and_can_be_sent_again(api: Api) -> None:
    with receiving() as receiver:
        process_id = process_of(api, callback={"url": receiver.url, "metadata": {"k": 1}})
        path = f"/processes/{process_id}/deliveries"
        until(
            lambda: (
                [one["status"] for one in api.get(path).json["deliveries"]]
                == ["delivered", "delivered"]
            )
        )
        deliveries = api.get(path).json["deliveries"]
        assert [one["milestone"] for one in deliveries] == ["accepted", "planned"]
        assert [one["version"] for one in deliveries] == [1, 2]
        tried = deliveries[0]["tries"][0]
        assert tried["status"] == 204 and STAMP.fullmatch(tried["at"])
        first, second = receiver.updates
        assert list(first) == ["event_type", "milestone", "emitted_at", "process"]
        assert (first["event_type"], first["milestone"]) == ("process.updated", "accepted")
        assert second["process"] == api.get(f"/processes/{process_id}").json | {"wait_reason": None}
        resent = api.post(f"{path}/{deliveries[0]['delivery_id']}/resend")
        assert resent.status == 202 and resent.json["process_id"] == process_id
        until(lambda: len(receiver.updates) == 3)
        assert receiver.updates[2] == first
    for unknown in ("999999", "x", "-1", "9" * 30, "%00"):
        assert api.post(f"{path}/{unknown}/resend").status == 404
