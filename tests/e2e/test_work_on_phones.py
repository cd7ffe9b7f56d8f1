"""What is asked for over HTTP happens in the app on the phone, and is told by callbacks."""

from __future__ import annotations

import base64
import hashlib
import secrets
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest
from api import new_request_id
from callbacks import Receiver, serving
from deadline import until
from history import at, verify_log
from world import World, account_of

RUN = ["accepted", "planned", "executing", "completed"]
WORDS = ["street food", "night trains"]
UPKEEP = ["health_check", "screenshot", "restart_app", "clear_cache", "reboot", "health_check"]


def told_in_order(receiver: Receiver, world: World, process_id: str) -> list[str]:
    """The milestones received, once all have been; every one of the log, in its order."""
    events = verify_log(world.api, process_id)
    version = events[-1]["seq"]
    receiver.until_told(process_id, version)
    assert receiver.versions(process_id) == sorted(receiver.versions(process_id))
    for update in receiver.updates(process_id):
        event = events[update["process"]["version"] - 1]
        assert update["event_type"] == "process.updated"
        assert (update["milestone"], update["emitted_at"]) == (event["name"], event["at"])
    return receiver.milestones(process_id)


def on(phone_id: str) -> dict[str, Any]:
    return {"routing": "direct", "phone_id": phone_id, "account_id": account_of(phone_id)}


def maintain(world: World, phone_id: str, *steps: Any) -> str:
    body = {
        "request_id": new_request_id(),
        "account_id": account_of(phone_id),
        "inputs": {"steps": list(steps), "metadata": {}},
        "callback": {"url": world.receiver.url, "metadata": {}},
        "requested_by": {"system": "e2e"},
    }
    process_id: str = world.api.post("/maintenance/requests", body, 202)["process_id"]
    return process_id


@pytest.fixture(scope="module", autouse=True)
def long_work(calm: World) -> dict[str, str]:
    """Submitted before the first test, since it takes its time; name to process id."""
    inputs = {"keywords": WORDS, "minutes_per_keyword": 0.1}
    return {
        "keywords": calm.api.submit("keyword_warmup", inputs, **on("phone_01")),
        "feed": calm.api.submit("fyp_warmup", {"minutes": 0.1}, **on("phone_02")),
        "upkeep": maintain(calm, "phone_04", *({"action": action} for action in UPKEEP)),
    }


def test_an_edited_profile_is_read_back(calm: World, receiver: Receiver) -> None:
    wanted = {"display_name": "Ada of the Test", "username": "ada_test", "bio": "Café & 猫 + 100 %"}
    process_id = maintain(calm, "phone_03", {"action": "edit_profile", "params": wanted})
    record = calm.api.completed(process_id, 60)
    assert calm.simulated.account("phone_03", "account_03")["profile"] == wanted
    assert record["result"]["steps"][0]["after"] == wanted
    assert told_in_order(receiver, calm, process_id) == RUN


def test_an_ingested_clip_is_pushed_and_shown(calm: World, receiver: Receiver) -> None:
    clip = secrets.token_bytes(300_000)

    class Clip(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "video/mp4")
            self.send_header("Content-Length", str(len(clip)))
            self.end_headers()

        def do_GET(self) -> None:
            self.do_HEAD()
            self.wfile.write(clip)

        def log_message(self, *_: object) -> None:
            """A test's output is not a log."""

    with serving(Clip) as port:
        body = {
            "content_id": new_request_id(),
            "account_id": "account_05",
            "video_path": f"http://127.0.0.1:{port}/clip.mp4",
            "caption": "A clip of the test",
            "hashtags": ["test"],
            "callback_url": receiver.url,
        }
        accepted = calm.api.post("/ingest", body, 202)
        assert calm.api.post("/ingest", body)["status"] == "duplicate"
        found = calm.api.get("/processes?process_type=post_video&account_id=account_05")
        (process,) = found["processes"]
        assert process["linked_ids"]["queue_item_ids"] == [accepted["queue_item_id"]]
        calm.api.completed(process["process_id"], 60)
    (post,) = calm.simulated.account("phone_05", "account_05")["posts"]
    assert post["asset_sha256"] == hashlib.sha256(clip).hexdigest()
    assert post["caption"] == "A clip of the test #test"
    assert told_in_order(receiver, calm, process["process_id"]) == RUN


@pytest.mark.parametrize(
    ("capability", "inputs"), [("echo", {"hello": ["world", 1, None]}), ("sleep", {"seconds": 0.3})]
)
def test_small_work_completes(
    calm: World, receiver: Receiver, capability: str, inputs: dict[str, Any]
) -> None:
    process_id = calm.api.submit(capability, inputs)
    record = calm.api.completed(process_id)
    assert record["result"] == (inputs if capability == "echo" else {"slept_s": 0.3})
    item = calm.api.item(process_id)
    assert record["linked_ids"]["completed_queue_item_ids"] == [item["queue_item_id"]]
    times = record["timestamps"]
    assert at(times["queued_at"]) <= at(times["executing_at"]) <= at(times["finished_at"])
    assert told_in_order(receiver, calm, process_id) == RUN


def test_a_failing_run_is_tried_again_and_told_each_time(calm: World, receiver: Receiver) -> None:
    process_id = calm.api.submit("fail", {"message": "as asked", "times": 1})
    record = calm.api.completed(process_id)
    assert record["timestamps"]["retrying_at"] is not None
    told = told_in_order(receiver, calm, process_id)
    assert told == ["accepted", "planned", "executing", "retrying", "executing", "completed"]


def test_what_failed_for_good_completes_when_retried_by_hand(
    calm: World, receiver: Receiver
) -> None:
    process_id = calm.api.submit("fail", {"message": "as asked", "times": 3})
    record = calm.api.ended(process_id, 40)
    assert record["status"] == "failed_terminal"
    assert record["error"] == {"message": "as asked", "category": "failed"}
    assert calm.api.item(process_id)["attempt"] == 3
    calm.api.post(f"/processes/{process_id}/retry")
    assert calm.api.completed(process_id)["result"] == {"attempt": 4}
    receiver.until_told(process_id, calm.api.record(process_id)["version"])
    assert receiver.milestones(process_id)[-3:] == ["retrying", "executing", "completed"]


def test_typed_keywords_are_found_in_the_app(
    calm: World, receiver: Receiver, long_work: dict[str, str]
) -> None:
    process_id = long_work["keywords"]
    record = calm.api.completed(process_id, 60)
    assert record["target"]["phone_id"] == "phone_01"
    assert calm.simulated.account("phone_01", "account_01")["searches"] == WORDS
    assert told_in_order(receiver, calm, process_id) == RUN


def test_a_feed_is_looked_through(
    calm: World, receiver: Receiver, long_work: dict[str, str]
) -> None:
    calm.api.completed(long_work["feed"], 60)
    assert calm.simulated.account("phone_02", "account_02")["clips_seen"] > 1
    assert told_in_order(receiver, calm, long_work["feed"]) == RUN


def test_upkeep_does_every_step_and_survives_a_reboot(
    calm: World, long_work: dict[str, str]
) -> None:
    record = calm.api.completed(long_work["upkeep"], 90)
    done = record["result"]["steps"]
    assert [step["action"] for step in done] == UPKEEP
    assert base64.b64decode(done[1]["png_base64"]).startswith(b"\x89PNG\r\n")
    up_since = datetime.now(UTC) - timedelta(seconds=calm.simulated.state("phone_04")["uptime_s"])
    assert up_since > at(record["timestamps"]["executing_at"]), "it was rebooted"
    until(lambda: calm.api.phone("phone_04")["state"] == "available", 30, "phone_04 back")
