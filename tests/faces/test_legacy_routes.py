"""The older contract: clips to post and runtime snapshots."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from living_server import THEIRS, Api
from requests_by_hand import IDLE_PHONE, fresh
from requests_by_hand import account as any_account
from worker_by_hand import Worker


class Asset(BaseHTTPRequestHandler):
    """Answers HEAD by the status in the path."""

    asked: list[tuple[str, str]]

    def do_HEAD(self) -> None:
        self.asked.append((self.command, self.path))
        self.send_response(int(self.path.split("/")[1]))
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def assets() -> Iterator[str]:
    Asset.asked = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), Asset)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def account(api: Api, **changes: Any) -> str:
    """An account whose clips nobody's agent takes unless its phone is named."""
    return any_account(api, **({"phone_id": IDLE_PHONE} | changes))


def clip(assets: str, account_id: str, **changes: Any) -> dict[str, Any]:
    message: dict[str, Any] = {
        "content_id": fresh("content"),
        "account_id": account_id,
        "video_path": f"{assets}/200/video.mp4",
        "caption": "a caption",
    }
    return message | changes


def test_a_clip_is_queued_once_for_its_account(api: Api, assets: str) -> None:
    name = account(api)
    message = clip(assets, name, hashtags=["a"], sound_id=None, metadata={"k": 1})
    first = api.post("/ingest", message)
    assert first.status == 202
    item_id = first.json["queue_item_id"]
    assert first.json == {
        "status": "accepted",
        "queue_item_id": item_id,
        "content_id": message["content_id"],
        "account_id": name,
        "queue_status": "QUEUED",
    }
    again = api.post("/ingest", message | {"caption": "another"})
    assert (again.status, again.json) == (200, first.json | {"status": "duplicate"})
    elsewhere = api.post("/ingest", message | {"account_id": account(api)})
    assert elsewhere.status == 202 and elsewhere.json["queue_item_id"] != item_id
    record = api.get(first.headers["location"]).json
    assert record["process_type"] == "post_video"
    assert record["callback"] == {"url": None, "metadata": {}}
    assert record["linked_ids"]["queue_item_ids"] == [item_id]


def test_assets_are_looked_at_before_the_clip_is_taken(api: Api, assets: str) -> None:
    name = account(api)
    message = clip(assets, name, cover_image_path=f"{assets}/200/cover.png")
    Asset.asked.clear()
    assert api.post("/ingest", message).status == 202
    assert sorted(Asset.asked) == [("HEAD", "/200/cover.png"), ("HEAD", "/200/video.mp4")]
    missing = clip(
        assets, name, video_path=f"{assets}/404/v.mp4", cover_image_path=f"{assets}/500/c.png"
    )
    refused = api.post("/ingest", missing)
    assert refused.status == 422
    assert {error["pointer"] for error in refused.json["errors"]} == {
        "/video_path",
        "/cover_image_path",
    }
    assert api.post("/cancel", missing).status == 404


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("content_id", ""),
        ("content_id", None),
        ("account_id", 5),
        ("video_path", "file:///etc/passwd"),
        ("video_path", "http://10.0.0.1/v.mp4"),
        ("video_path", "http://127.0.0.1:22/v.mp4"),
        ("video_path", ""),
        ("caption", ""),
        ("caption", "x" * 4_001),
        ("hashtags", "a"),
        ("hashtags", [5]),
        ("cover_image_path", "ftp://127.0.0.1/c.png"),
        ("callback_url", "http://10.1/"),
        ("scheduling_hint", "tomorrow"),
        ("scheduling_hint", 5),
        ("metadata", []),
    ],
)
def test_a_wrong_clip_is_refused(api: Api, assets: str, field: str, value: Any) -> None:
    reply = api.post("/ingest", clip(assets, account(api)) | {field: value})
    assert reply.status == 422, reply
    pointer = reply.json["errors"][0]["pointer"]
    assert pointer == f"/{field}" or (field == "hashtags" and pointer == "/hashtags/0")


def test_a_clip_of_an_unknown_or_sleeping_account_is_not_found(api: Api, assets: str) -> None:
    for name in ("nobody", account(api, active=False)):
        reply = api.post("/ingest", clip(assets, name))
        assert (reply.status, reply.json["code"]) == (404, "account_not_found")


@pytest.mark.parametrize(
    ("hint", "status"),
    [
        ("2999-01-01T00:00:00Z", "SCHEDULED"),
        ("2999-01-01T00:00:00+02:00", "SCHEDULED"),
        ("2999-01-01T00:00:00", "SCHEDULED"),
        ("2001-01-01T00:00:00.5Z", "QUEUED"),
        ("0001-01-01T00:00:00+23:59", "QUEUED"),
    ],
)
def test_a_hint_schedules(api: Api, assets: str, hint: str, status: str) -> None:
    reply = api.post("/ingest", clip(assets, account(api), scheduling_hint=hint))
    assert (reply.status, reply.json["queue_status"]) == (202, status)


def test_a_clip_that_waits_can_be_cancelled_once(api: Api, assets: str) -> None:
    for hint, previous in ((None, "QUEUED"), ("2999-01-01T00:00:00Z", "SCHEDULED")):
        message = clip(assets, account(api), scheduling_hint=hint)
        item_id = api.post("/ingest", message).json["queue_item_id"]
        order = {key: message[key] for key in ("content_id", "account_id")}
        assert api.as_(THEIRS).post("/cancel", order).status == 404
        reply = api.post("/cancel", order | {"reason": None})
        assert (reply.status, reply.json) == (
            200,
            {"status": "cancelled", "queue_item_id": item_id, "previous_status": previous},
        )
        again = api.post("/cancel", order)
        assert (again.status, again.json["code"]) == (409, "wrong_state")


def test_a_clip_that_is_under_way_cannot_be_cancelled_here(api: Api, assets: str) -> None:
    phone = fresh("phone")
    worker = Worker(api, phone, agent_id=fresh("agent")).register()
    message = clip(assets, account(api, phone_id=phone))
    api.post("/ingest", message)
    item = worker.claim()
    order = {key: message[key] for key in ("content_id", "account_id")}
    assert api.post("/cancel", order).status == 409
    worker.run(item)
    assert api.post("/ingest", message).json["queue_status"] == "DONE"


def snapshot(account_id: str, **changes: Any) -> dict[str, Any]:
    message: dict[str, Any] = {
        "account_id": account_id,
        "ugc_account_id": "u",
        "snapshot_id": fresh("snapshot"),
        "content_hash": "h",
        "strategy_version": 5,
        "strategy_synced_at": "2026-03-22T08:30:00.000Z",
        "personality": {"tone": "calm"},
    }
    return message | changes


def test_only_a_newer_snapshot_replaces_one(api: Api) -> None:
    name = account(api)

    def upsert(version: int, synced_at: str) -> dict[str, Any]:
        reply = api.post(
            "/runtime-snapshots/upsert",
            snapshot(name, strategy_version=version, strategy_synced_at=synced_at),
        )
        assert reply.status == 200, reply
        answer: dict[str, Any] = reply.json
        return answer

    first = upsert(5, "2026-03-22T08:30:00Z")
    assert list(first) == [
        "status",
        "account_id",
        "snapshot_id",
        "strategy_version",
        "strategy_synced_at",
    ]
    assert (first["status"], first["strategy_synced_at"]) == (
        "upserted",
        "2026-03-22T08:30:00.000Z",
    )
    assert upsert(4, "2027-01-01T00:00:00Z")["status"] == "ignored_stale"
    stale = upsert(5, "2026-03-22T08:29:59Z")
    assert list(stale) == ["status", "account_id", "snapshot_id", "strategy_version"]
    assert (stale["status"], stale["strategy_version"]) == ("ignored_stale", 5)
    assert upsert(5, "2026-03-22T09:30:00+01:00")["status"] == "upserted"
    assert upsert(5, "2026-03-22T08:30:01Z")["status"] == "upserted"
    assert upsert(6, "2001-01-01T00:00:00Z")["status"] == "upserted"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("account_id", ""),
        ("ugc_account_id", 5),
        ("strategy_version", 0),
        ("strategy_version", 1.5),
        ("strategy_version", "1"),
        ("strategy_version", 10**20),
        ("strategy_synced_at", "yesterday"),
        ("personality", []),
        ("personality", None),
        ("stage", 5),
        ("active_skills", "x"),
    ],
)
def test_a_wrong_snapshot_is_refused(api: Api, field: str, value: Any) -> None:
    reply = api.post("/runtime-snapshots/upsert", snapshot(account(api)) | {field: value})
    assert (reply.status, reply.json["errors"][0]["pointer"]) == (422, f"/{field}")


def test_a_snapshot_of_an_unknown_account_is_not_found(api: Api) -> None:
    assert api.post("/runtime-snapshots/upsert", snapshot("nobody")).status == 404
