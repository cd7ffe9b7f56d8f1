"""The long poll: answered at once when a task ends, however it ends, and never left behind."""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from living_server import OURS, Api, Living, Reply, living, until
from made_tasks import ANSWER, UNKNOWN, faults, form, seen, task_id_of
from msgspec import Raw
from msgspec.json import encode

from procession import tasks
from procession.caller import Caller
from procession.engine import Engine
from procession.links import make_link_id

AT_ONCE_S = 0.1
STOPS_WITHIN_S = 5.0


class Wait:
    """A long poll in a thread of its own."""

    def __init__(self, server: Living, task_id: str, query: str = "timeout=20") -> None:
        self.reply: Reply | None = None
        self.failed: Exception | None = None
        self.at_s = 0.0
        self._server, self._path = server, f"/api/v1/tasks/{task_id}/wait?{query}"
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        api = Api(self._server.port, OURS)
        try:
            self.reply = api.get(self._path)
        except OSError as error:
            self.failed = error
        self.at_s = time.monotonic()
        api.close()

    def end(self) -> Reply:
        self._thread.join(20)
        assert self.reply is not None, self.failed
        return self.reply

    def begin(self) -> None:
        before = self._server.app.load.waiting
        self._thread.start()
        until(lambda: self._server.app.load.waiting > before)


@contextmanager
def waiting(server: Living, task_id: str, query: str = "timeout=20") -> Iterator[Wait]:
    wait = Wait(server, task_id, query)
    wait.begin()
    yield wait
    wait.end()


def test_a_wait_ends_with_the_task(api: Api, server: Living) -> None:
    late = []
    for _ in range(5):
        task_id = task_id_of(api)
        with waiting(server, task_id) as wait:
            done = api.post(f"/api/v1/tasks/{task_id}/complete", {"data": ANSWER})
            told_s = time.monotonic()
        reply = wait.end()
        assert (reply.status, reply.json) == (200, done.json)
        late.append(wait.at_s - told_s)
    assert statistics.median(late) < AT_ONCE_S, late


def test_a_cancelled_task_ends_its_waits(api: Api, server: Living) -> None:
    task_id = task_id_of(api)
    with waiting(server, task_id) as one, waiting(server, task_id) as other:
        api.post(f"/api/v1/tasks/{task_id}/cancel", {"reason": "Enough"})
    for wait in (one, other):
        assert (wait.end().json["status"], wait.end().json["cancel_reason"]) == (
            "cancelled",
            "Enough",
        )


def expiring(server: Living, within_ms: int) -> str:
    """A task that expires sooner than the API lets one."""

    async def make(engine: Engine) -> str:
        new = tasks.NewTask(
            title="Soon over",
            asked=tasks.Asked(Raw(encode(form()))),
            namespace="default",
            expires_ms=engine.now_ms() + within_ms,
            link_id=make_link_id(),
        )
        return (await tasks.ask(engine, Caller("t", 1, "default", frozenset()), new)).task_id

    return server.call(make)


def test_an_expired_task_ends_its_waits(api: Api, server: Living) -> None:
    task_id = expiring(server, 400)
    with waiting(server, task_id) as wait:
        pass
    task = wait.end().json
    assert (task["status"], task["fail_reason"]) == ("failed", "nobody answered until it expired")
    late = api.post(f"/api/v1/tasks/{task_id}/complete", {"data": ANSWER})
    assert (late.status, late.json["error"]) == (409, "Task is not pending")


def test_a_wait_that_is_over_says_so(api: Api) -> None:
    task_id = task_id_of(api)
    for query in ("timeout=0", "timeout=0.05"):
        reply = api.get(f"/api/v1/tasks/{task_id}/wait?{query}")
        expected: dict[str, Any] = {"task_id": task_id, "status": "pending", "timed_out": True}
        assert (reply.status, reply.json) == (408, expected)
    assert api.get(f"/api/v1/tasks/{UNKNOWN}/wait").json == {"error": "Task not found"}
    for query in ("timeout=301", "timeout=-1", "timeout=x", "timeout=nan"):
        assert faults(api.get(f"/api/v1/tasks/{task_id}/wait?{query}")) == ["timeout"]
    api.post(f"/api/v1/tasks/{task_id}/complete", {"data": ANSWER})
    assert api.get(f"/api/v1/tasks/{task_id}/wait").json["status"] == "completed"


def test_a_client_that_leaves_is_waited_for_no_longer(api: Api, server: Living) -> None:
    task_id = task_id_of(api)
    load = server.app.load
    before = load.waiting
    from socket import create_connection

    with create_connection(("127.0.0.1", server.port)) as gone:
        head = f"GET /api/v1/tasks/{task_id}/wait HTTP/1.1\r\nHost: x\r\n"
        gone.sendall(f"{head}Authorization: Bearer {OURS}\r\n\r\n".encode())
        until(lambda: load.waiting == before + 1)
    until(lambda: load.waiting == before)
    assert seen(api, task_id)["status"] == "pending"


def test_of_many_who_answer_at_once_one_is_taken(api: Api, server: Living) -> None:
    task_id = task_id_of(api)
    path = f"/api/v1/tasks/{task_id}/complete"
    apis = [Api(server.port, OURS) for _ in range(8)]
    ready = threading.Barrier(len(apis))
    replies: list[Reply] = []

    def answer(one: Api, name: str) -> None:
        ready.wait(10)
        replies.append(one.post(path, {"data": {"name": name}}))
        one.close()

    threads = [threading.Thread(target=answer, args=(one, f"n{n}")) for n, one in enumerate(apis)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert sorted(reply.status for reply in replies) == [200, *[409] * 7]
    (taken,) = [reply.json["data"] for reply in replies if reply.status == 200]
    assert seen(api, task_id)["data"] == taken


@pytest.mark.parametrize("answered", [True, False])
def test_a_stop_ends_waits_and_loses_nothing(tmp_path: Path, answered: bool) -> None:
    with living(tmp_path) as server:
        api = Api(server.port, OURS)
        task_id = task_id_of(api)
        wait = Wait(server, task_id, "timeout=300")
        wait.begin()
        if answered:
            api.post(f"/api/v1/tasks/{task_id}/complete", {"data": ANSWER})
        api.close()
        began_s = time.monotonic()
    assert time.monotonic() - began_s < STOPS_WITHIN_S
    assert wait.end().status == (200 if answered else 408)
    with living(tmp_path) as server:
        api = Api(server.port, OURS)
        reply = api.get(f"/api/v1/tasks/{task_id}/wait?timeout=0")
        assert reply.json["status"] == ("completed" if answered else "pending")
        if not answered:
            with waiting(server, task_id) as again:
                api.post(f"/api/v1/tasks/{task_id}/complete", {"data": ANSWER})
            assert again.end().json["data"] == ANSWER
        api.close()
