"""The stream of an organization: what happens is told once, to those it concerns, until the end."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from jobs_by_hand import JobWorker
from living_server import READER, THEIRS, Api, Living, living, until
from steps_by_hand import FORM, create, update, with_scopes
from test_process_stream import Reading

from procession.faces.steps import streams

STREAM = "/api/tasks/stream"


class Event(NamedTuple):
    name: str
    data: dict[str, Any]


class Watching:
    """A stream that is read event by event."""

    def __init__(self, reading: Reading) -> None:
        self.response = reading.response

    def event(self) -> Event | None:
        """The next one; None once the stream has ended."""
        name = ""
        while line := self.response.readline():
            text = line.decode().rstrip("\n")
            if text.startswith("event: "):
                name = text.removeprefix("event: ")
            elif text.startswith("data: "):
                data = json.loads(text.removeprefix("data: "))
                assert data["type"] == name
                return Event(name, data)
        return None

    def next(self, name: str) -> dict[str, Any]:
        """The next event, which has this name."""
        found = self.event()
        assert found is not None and found.name == name, found
        return found.data


@contextmanager
def watching(api: Api) -> Iterator[Watching]:
    other = Api(api.port, api.token)
    response = other.open("GET", STREAM)
    assert response.status == 200, response.read()
    one = Watching(Reading(response))
    try:
        assert one.next("connected")["org_id"].startswith("org-")
        yield one
    finally:
        response.close()
        other.close()


def ask(api: Api, **changes: Any) -> str:
    reply = api.post("/api/v1/tasks", FORM | changes)
    assert reply.status == 201, reply
    task_id: str = reply.json["task_id"]
    return task_id


def test_what_happens_to_a_process_is_told_with_its_step(api: Api) -> None:
    with watching(api) as stream:
        assert stream.response.headers["Content-Type"] == "text/event-stream"
        one = create(api)
        moved = {"process_id": one, "status": "running", "current_step": "plan"}
        assert stream.next("process_update") == {"type": "process_update", "process": moved}
        update(api, one, "step_completed", step="plan")
        assert stream.next("process_update")["process"]["current_step"] == "sign"
        update(api, one, "completed")
        assert stream.next("process_update")["process"] == {
            "process_id": one,
            "status": "completed",
        }


def test_a_task_is_told_of_when_it_begins_and_when_it_ends(api: Api) -> None:
    with watching(api) as stream:
        tasks = {name: ask(api, title=name) for name in ("completed", "cancelled")}
        begun = {stream.next("task_created")["task"]["task_id"] for _ in tasks}
        assert begun == set(tasks.values())
        api.post(f"/api/v1/tasks/{tasks['completed']}/complete", {"data": {}})
        ended = stream.next("task_completed")["task"]
        assert (ended["task_id"], ended["status"]) == (tasks["completed"], "completed")
        api.post(f"/api/v1/tasks/{tasks['cancelled']}/cancel", {"reason": "x"})
        assert stream.next("task_cancelled")["task"]["title"] == "cancelled"


def test_a_review_is_a_task_here_too(api: Api) -> None:
    worker = JobWorker(api)
    with watching(api) as stream:
        job = worker.at("waiting_review")
        while (event := stream.event()) is not None and event.name != "task_created":
            assert event.name == "process_update"
        assert event is not None
        assert event.data["task"]["process_id"] == job["process_id"]
        assert event.data["task"]["kind"] == "review"


def test_nothing_of_other_organizations_is_told(server: Living, api: Api) -> None:
    theirs = api.as_(THEIRS)
    with watching(theirs) as stream:
        mine = [create(api), ask(api)]
        other = create(theirs)
        assert stream.next("process_update")["process"]["process_id"] == other
        update(api, mine[0], "completed")
        update(theirs, other, "completed")
        assert stream.next("process_update")["process"]["process_id"] == other


def test_nothing_from_before_is_told(api: Api) -> None:
    one, task = create(api), ask(api)
    with watching(api) as stream:
        update(api, one, "step_started", step="plan")
        assert stream.next("process_update")["process"]["process_id"] == one
        api.post(f"/api/v1/tasks/{task}/cancel")
        assert stream.next("task_cancelled")["task"]["task_id"] == task


def test_a_token_hears_what_it_may_read(server: Living, api: Api) -> None:
    for token in (READER, None, "x" * 40):
        reply = api.as_(token).get(STREAM)
        assert reply.status == (403 if token == READER else 401)
        assert list(reply.json) == ["error"]
    with watching(with_scopes(server, api, "tasks:read")) as stream:
        create(api)
        task = ask(api)
        assert stream.next("task_created")["task"]["task_id"] == task


def test_a_lost_wake_up_and_a_revoked_token_are_seen_with_the_next_ping(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from procession import tokens
    from procession.engine import Engine

    monkeypatch.setattr(streams, "PING_S", 0.2)
    with living(tmp_path, token_cache_ms=0) as server:
        api = Api(server.port)
        with watching(api) as stream:
            gathered, server.engine.wakeup._to_kinds = server.engine.wakeup._to_kinds, {}
            one = create(api)
            server.engine.wakeup._to_kinds = gathered
            assert stream.next("process_update")["process"]["process_id"] == one

            async def revoke(engine: Engine) -> None:
                await engine.ledger.errand(
                    lambda turn: tokens.revoke_token(turn, (api.token or "")[:6])
                )

            server.call(revoke)
            assert stream.event() is None
        api.close()


def test_streams_end_with_the_server_and_nothing_is_left_of_those_that_went(
    tmp_path: Path,
) -> None:
    with living(tmp_path) as server:
        api, own = Api(server.port), server.all_streams.steps
        with watching(api), watching(api):
            until(lambda: own.count == 2)
        create(api)
        until(lambda: own.count == 0)
        assert not server.engine.wakeup._to_kinds.get("process")
        other = Api(server.port)
        response = other.open("GET", STREAM)
        until(lambda: own.count == 1)
        api.close()
    assert b"event: connected" in response.read()
    other.close()
