"""Streams: whole states in order, nothing missed, everything freed."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPResponse
from typing import Any, NamedTuple

import pytest
from living_server import OURS, Api, Living, living, until
from requests_by_hand import cancel_request, fresh, process_of
from worker_by_hand import Worker

from procession.faces import open_streams, stream


class Frame(NamedTuple):
    event: str
    id: int
    data: Any


class Reading:
    """An open stream, read frame by frame."""

    def __init__(self, response: HTTPResponse) -> None:
        self.response = response
        self.comments: list[str] = []
        self.retry: str | None = None

    def frame(self) -> Frame | None:
        """The next frame; None at the end."""
        fields: dict[str, str] = {}
        while line := self.response.readline():
            text = line.decode().rstrip("\n")
            if text.startswith(":"):
                self.comments.append(text)
            elif text:
                name, _, value = text.partition(": ")
                fields[name] = value
            elif "data" in fields:
                data = json.loads(fields["data"])
                return Frame(fields.get("event", ""), int(fields["id"]), data)
            elif "retry" in fields:
                self.retry = fields["retry"]
        return None

    def frames(self) -> list[Frame]:
        found = []
        while (frame := self.frame()) is not None:
            found.append(frame)
        return found


@contextmanager
def streaming(api: Api, process_id: str, **headers: str) -> Iterator[Reading]:
    other = Api(api.port, api.token)
    response = other.open("GET", f"/processes/{process_id}/stream", **headers)
    assert response.status == 200
    try:
        yield Reading(response)
    finally:
        response.close()
        other.close()


def running(api: Api, **changes: Any) -> tuple[Worker, dict[str, Any]]:
    phone = fresh("phone")
    worker = Worker(api, phone, agent_id=fresh("agent")).register()
    process_of(api, target={"routing": "group", "phone_ids": [phone]}, **changes)
    item = worker.claim()
    worker.start(item)
    return worker, item


def nothing_left(server: Living) -> bool:
    return server.streams.count == 0 and not server.engine.wakeup._listeners.keys() & {
        topic for topic in server.engine.wakeup._listeners if topic[0] == "process"
    }


def test_the_first_frame_is_the_whole_record_at_once(api: Api) -> None:
    process_id = process_of(api)
    with streaming(api, process_id) as reading:
        frame = reading.frame()
        assert frame == Frame("", 2, api.get(f"/processes/{process_id}").json)
        assert reading.retry == "1000"
        headers = reading.response.headers
        assert headers["Content-Type"] == "text/event-stream"
        assert headers["Cache-Control"] == "no-store, no-transform"
        assert headers["X-Accel-Buffering"] == "no"


def test_every_version_comes_once_and_the_end_is_said(api: Api) -> None:
    worker, item = running(api)
    process_id = item["process_id"]
    with streaming(api, process_id) as reading:
        first = reading.frame()
        assert first is not None
        for percent in (10, 20, 30):
            worker.progress(item, percent)
        worker.finish(item, result={"x": 1})
        rest = reading.frames()
    assert [frame.id for frame in rest[:-1]] == list(range(first.id + 1, first.id + 5))
    percents = [frame.data["partial_progress"]["percent"] for frame in rest[:3]]
    assert percents == [10.0, 20.0, 30.0]
    done = rest[-1]
    assert (done.event, done.id) == ("done", rest[-2].id)
    assert done.data == rest[-2].data == api.get(f"/processes/{process_id}").json
    assert all(frame.data["version"] == frame.id for frame in rest)


def test_an_ended_process_is_one_frame_and_done(api: Api) -> None:
    process_id = process_of(api)
    api.post(f"/processes/{process_id}/cancel", cancel_request())
    with streaming(api, process_id) as reading:
        frames = reading.frames()
    assert [frame.event for frame in frames] == ["", "done"]
    assert frames[0].data["status"] == "cancelled"


def test_a_client_that_comes_again_misses_nothing(api: Api) -> None:
    worker, item = running(api)
    with streaming(api, item["process_id"]) as reading:
        first = reading.frame()
    assert first is not None
    worker.progress(item, 50)
    worker.progress(item, 60)
    with streaming(api, item["process_id"], Last_Event_ID=str(first.id)) as reading:
        missed = [reading.frame(), reading.frame()]
        assert [frame and frame.id for frame in missed] == [first.id + 1, first.id + 2]
        assert missed[0] and missed[0].data["partial_progress"]["percent"] == 50.0
        worker.finish(item)
        assert [frame.event for frame in reading.frames()] == ["", "done"]


@pytest.mark.parametrize("last", ["", "x", "-1", "0", "999999", "9" * 40, "2"])
def test_an_odd_last_event_id_still_shows_the_state(api: Api, last: str) -> None:
    process_id = process_of(api)
    with streaming(api, process_id, Last_Event_ID=last) as reading:
        frame = reading.frame()
        while frame is not None and frame.id < 2:
            frame = reading.frame()
    assert frame is not None and frame.data["process_id"] == process_id


def test_head_of_a_stream_opens_none(api: Api, server: Living) -> None:
    reply = api.send("HEAD", f"/processes/{process_of(api)}/stream")
    assert (reply.status, reply.body) == (200, b"")
    until(lambda: nothing_left(server))


def test_many_watchers_see_the_same_and_are_encoded_once(api: Api, server: Living) -> None:
    worker, item = running(api)
    with streaming(api, item["process_id"]) as one, streaming(api, item["process_id"]) as two:
        first = [one.frame(), two.frame()]
        assert first[0] == first[1]
        assert (server.streams.count, len(server.streams.channels)) == (2, 1)
        worker.finish(item)
        assert one.frames() == two.frames()


def test_when_the_clients_go_nothing_stays(api: Api, server: Living) -> None:
    worker, item = running(api)
    sockets = []
    for _ in range(20):
        connection = socket.create_connection(("127.0.0.1", server.port))
        connection.sendall(
            f"GET /processes/{item['process_id']}/stream HTTP/1.1\r\nHost: x\r\n"
            f"Authorization: Bearer {OURS}\r\n\r\n".encode()
        )
        sockets.append(connection)
    until(lambda: server.streams.count == 20)
    for connection in sockets:
        connection.close()
    until(lambda: nothing_left(server))
    until(lambda: server.app.load.waiting == 0 and server.app.load.count == 0)
    worker.finish(item)


def test_a_reader_that_does_not_read_gets_the_newest_state_only(api: Api, server: Living) -> None:
    worker, item = running(api, requested_by={"system": "t", "metadata": {"x": "y" * 100_000}})
    process_id = item["process_id"]
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        connection.connect(("127.0.0.1", server.port))
        connection.sendall(
            f"GET /processes/{process_id}/stream HTTP/1.1\r\nHost: x\r\n"
            f"Authorization: Bearer {OURS}\r\n\r\n".encode()
        )
        until(lambda: server.streams.count == 1)
        (channel,) = server.streams.channels
        (mailbox,) = channel.mailboxes
        for number in range(300):
            worker.progress(item, number / 3)
            assert len(mailbox._frames) <= stream.FRAMES_WAITING_MAX
        worker.finish(item)
        received = b""
        while more := connection.recv(65_536):
            received += more
            if received.endswith(b"\r\n0\r\n\r\n"):
                break
    ids = [int(part[: part.index(b"\n")]) for part in received.split(b"\nid: ")[1:]]
    assert ids == sorted(ids) and len(ids) < 250
    assert ids[-1] == api.get(f"/processes/{process_id}").json["version"]
    assert received.count(b"event: done") == 1
    until(lambda: nothing_left(server))


def test_a_window_ends_and_idle_streams_are_pinged(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "WINDOW_S", 1.0)
    monkeypatch.setattr(open_streams, "PING_S", 0.3)
    with living(tmp_path) as server:
        api = Api(server.port)
        Worker(api, "idle-phone", agent_id="idle").register()
        with streaming(api, process_of(api)) as reading:
            assert [frame.id for frame in reading.frames()] == [2]
        assert 1 <= len(reading.comments) <= 3
        assert set(reading.comments) == {": ping"}
        until(lambda: nothing_left(server))
        api.close()


def test_a_lost_wake_up_is_made_good_by_the_timer(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(open_streams, "PING_S", 0.2)
    with living(tmp_path) as server:
        api = Api(server.port)
        worker = Worker(api, "phone-1").register()
        process_id = process_of(api, target={"routing": "group", "phone_ids": ["phone-1"]})
        item = worker.claim()
        worker.start(item)
        with streaming(api, process_id) as reading:
            first = reading.frame()
            monkeypatch.setattr(server.engine.wakeup, "saved", lambda topics: None)
            monkeypatch.setattr(server.engine.ledger, "_saved", lambda topics: None)
            worker.progress(item, 77)
            second = reading.frame()
        assert first and second and second.id == first.id + 1
        api.close()


def test_stopping_the_server_ends_streams_cleanly(tmp_path: Any) -> None:
    ended: list[list[Frame]] = []
    with living(tmp_path) as server:
        api = Api(server.port)
        Worker(api, "idle-phone", agent_id="idle").register()
        process_id = process_of(api)

        def read() -> None:
            with streaming(api, process_id) as reading:
                ended.append(reading.frames())

        readers = [threading.Thread(target=read) for _ in range(5)]
        for reader in readers:
            reader.start()
        until(lambda: server.streams.count == 5)
    for reader in readers:
        reader.join(10)
    assert [[frame.id for frame in frames] for frames in ended] == [[2]] * 5
    api.close()


def test_a_large_fan_out_is_shown_a_few_times_a_second(api: Api, server: Living) -> None:
    phones = [fresh("phone") for _ in range(stream.LARGE_ITEMS + 10)]
    worker = Worker(api, *phones, agent_id=fresh("agent")).register()
    process_id = process_of(api, target={"routing": "group", "phone_ids": phones})
    with streaming(api, process_id) as reading:
        assert reading.frame() is not None
        for phone in phones:
            worker.run(worker.claim(phone))
        frames = reading.frames()
    versions = api.get(f"/processes/{process_id}").json["version"]
    assert versions > 2 * len(phones) and len(frames) < versions / 4
    assert (frames[-1].event, frames[-1].id) == ("done", versions)
    assert [frame.id for frame in frames] == sorted(frame.id for frame in frames)
