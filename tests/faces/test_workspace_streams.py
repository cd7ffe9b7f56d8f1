"""Streams of the workspace face: every version once and in order, whoever comes and goes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from random import Random
from typing import Any

import pytest
from jobs_by_hand import JobWorker
from living_server import THEIRS, Api, Living, until
from test_process_stream import Frame, Reading


@pytest.fixture
def worker(api: Api) -> JobWorker:
    return JobWorker(api)


@contextmanager
def watching(api: Api, path: str, **headers: str) -> Iterator[Reading]:
    other = Api(api.port, api.token)
    response = other.open("GET", path, **headers)
    assert response.status == 200
    try:
        yield Reading(response)
    finally:
        response.close()
        other.close()


def stream_of(job: dict[str, Any]) -> str:
    return f"/api/processes/{job['id']}/stream"


def test_the_first_frame_is_the_full_object_and_the_headers_forbid_buffering(
    api: Api, worker: JobWorker
) -> None:
    job = worker.begin()
    with watching(api, stream_of(job)) as reading:
        assert reading.frame() == Frame("", job["version"], job)
        assert reading.retry == "1000"
        headers = reading.response.headers
        assert headers["Content-Type"] == "text/event-stream"
        assert headers["Cache-Control"] == "no-store, no-transform"
        assert headers["X-Accel-Buffering"] == "no"


@pytest.mark.parametrize("status", ["completed", "failed", "cancelled"])
def test_one_that_has_ended_is_shown_once_said_done_and_closed(
    api: Api, worker: JobWorker, status: str
) -> None:
    job = worker.at(status)
    with watching(api, stream_of(job)) as reading:
        first, done = reading.frames()
    assert first == Frame("", job["version"], job)
    assert done == Frame("done", job["version"], job)


def test_a_review_does_not_end_the_stream(api: Api, worker: JobWorker) -> None:
    job = worker.at("waiting_review")
    with watching(api, stream_of(job)) as reading:
        first = reading.frame()
        assert first is not None and first.data["metadata"]["draft"] == {"rows": 2}
        api.post(f"/api/processes/{job['id']}/review", {"decision": "reject"})
        item = worker.claim()
        worker.finish(item, result={"sent": False})
        rest = reading.frames()
    assert [frame.data["status"] for frame in rest] == [
        *("pending", "running", "completed", "completed"),
    ]
    assert rest[-1].event == "done"


@pytest.mark.parametrize("seed", range(6))
def test_every_version_is_seen_once_and_in_order_over_random_disconnects(
    api: Api, worker: JobWorker, seed: int
) -> None:
    """What the frames say is what the log says, event for event."""
    random = Random(seed)
    job = worker.begin()
    item = worker.claim()
    worker.start(item)
    seen: list[Frame] = []
    steps = random.randint(5, 25)
    while not seen or seen[-1].event != "done":
        headers = {"Last_Event_ID": str(seen[-1].id)} if seen else {}
        with watching(api, stream_of(job), **headers) as reading:
            for _ in range(random.randint(1, 6)):
                if steps:
                    steps -= 1
                    worker.progress(item, 100 - 4 * steps, f"step {steps}")
                elif steps == 0:
                    worker.finish(item, result={"seed": seed})
                    steps = -1
                if random.random() < 0.7 or steps < 0:
                    frame = reading.frame()
                    if frame is None:
                        break
                    seen.append(frame)
                    if frame.event == "done":
                        break
    states = [frame for frame in seen if not frame.event]
    # A client that comes back is first shown where it stands, if nothing is newer.
    versions = [frame.id for frame in states]
    assert versions == sorted(versions)
    log = api.get(f"/api/processes/{job['id']}/events").json
    first = versions[0]
    assert sorted(set(versions)) == list(range(first, len(log) + 1))
    for frame in states:
        assert frame.data["version"] == frame.id
        assert frame.data["status"] == log[frame.id - 1]["status"]
        assert frame.data["updated_at"] == log[frame.id - 1]["created_at"]


def test_a_tray_begins_with_the_newest_and_shows_every_change(
    server: Living, api: Api, worker: JobWorker
) -> None:
    old = worker.begin()
    with watching(api, "/api/processes/stream") as reading:
        shown = [tray_frame(reading)["id"] for _ in range(snapshot_size(api))]
        assert shown[-1] == old["id"] and shown == sorted(shown)
        new = worker.begin()
        assert tray_frame(reading)["id"] == new["id"]
        item = worker.claim()
        worker.start(item)
        worker.finish(item, result={"x": 1})
        while (now := tray_frame(reading))["status"] != "completed":
            assert now["id"] == old["id"]
        assert now["id"] == old["id"]


def test_a_tray_shows_nothing_of_other_tenants(server: Living, api: Api) -> None:
    theirs = api.as_(THEIRS)
    mine = JobWorker(api).begin()
    with watching(theirs, "/api/processes/stream") as reading:
        other = theirs.post("/api/processes", {"type": "echo"}).json
        numbers = set()
        while other["id"] not in numbers:
            numbers.add(tray_frame(reading)["id"])
            JobWorker(api).begin()
        assert mine["id"] not in numbers


def test_nothing_is_left_of_streams_whose_clients_went(server: Living, api: Api) -> None:
    job = JobWorker(api).begin()
    streams = server.all_streams.workspace
    with watching(api, stream_of(job)) as one, watching(api, "/api/processes/stream") as tray:
        assert one.frame() is not None and tray_frame(tray)
        until(lambda: streams.count == 2)
    until(lambda: streams.count == 0)
    wakeup = server.engine.wakeup
    until(lambda: not any(topic[0] == "process" for topic in wakeup._listeners))
    assert not wakeup._to_kinds.get("process")


def snapshot_size(api: Api) -> int:
    return min(50, len(api.get("/api/processes?limit=50").json))


def tray_frame(reading: Reading) -> dict[str, Any]:
    """The next object of a tray: its frames carry no id, since versions are of one process."""
    data = ""
    while line := reading.response.readline():
        text = line.decode().rstrip("\n")
        if text.startswith("data: "):
            data = text.removeprefix("data: ")
        elif not text and data:
            found: dict[str, Any] = json.loads(data)
            return found
    raise AssertionError("the tray has ended")
