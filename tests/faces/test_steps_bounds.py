"""Tracked processes over HTTP: whose they are, who may, and whatever else is sent."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from living_server import READER, THEIRS, Api, Living
from requests_by_hand import fresh
from steps_by_hand import (
    ROOT,
    create,
    definition,
    faults,
    listed,
    org_of,
    read,
    sent,
    update,
    with_scopes,
)
from test_strict_json import HOSTILE

UNKNOWN = "01a200c3-0000-7000-8000-000000000000"


@pytest.fixture
def theirs(server: Living) -> Iterator[Api]:
    one = Api(server.port, THEIRS)
    yield one
    one.close()


def routes(process_id: str) -> list[tuple[str, str, Any]]:
    """Every route to one process: method, path, body."""
    one = f"{ROOT}/{process_id}"
    return [
        ("GET", one, None),
        ("HEAD", one, None),
        ("POST", f"{one}/update", {"type": "completed"}),
        ("POST", f"{one}/cancel", {"reason": "x"}),
        ("POST", f"{one}/links", {"assignee_email": "a@example.com"}),
        ("GET", f"{one}/links", None),
        ("DELETE", f"{one}/links?link_id=x", None),
    ]


def test_a_foreign_process_answers_as_an_unknown_one_on_every_route(api: Api, theirs: Api) -> None:
    mark = fresh("theirs")
    process_id = create(theirs, name=mark, template_id=mark, metadata={"mark": mark})
    before = read(theirs, process_id)
    for odd in (process_id, "nope", "a%2Fb", "%FF", "9" * 500, UNKNOWN.upper()):
        for one, other in zip(routes(odd), routes(UNKNOWN), strict=True):
            first, second = sent(api, *one), sent(api, *other)
            assert (first.status, first.body) == (second.status, second.body), one
            assert first.status == 404, one
            assert first.body in (b'{"error":"Process not found"}', b"")
    assert read(theirs, process_id) == before
    for query in (f"search={mark}", f"template_id={mark}", f"meta.mark={mark}"):
        assert listed(api, query)["total"] == 0
        assert listed(theirs, query)["total"] == 1
    assert mark not in api.get(f"{ROOT}/templates").json["templates"]
    assert org_of(api) != org_of(theirs)


def test_one_id_may_be_taken_in_two_organizations(api: Api, theirs: Api) -> None:
    process_id = str(uuid4())
    for one in (api, theirs):
        assert create(one, process_id=process_id, name=one.token or "") == process_id
    assert read(theirs, process_id)["name"] == theirs.token


def test_scopes_are_asked_for(server: Living, api: Api) -> None:
    process_id = create(api)
    nobody = api.as_(None)
    assert nobody.get(ROOT).json == {"error": "Unauthorized"}
    assert api.as_("x" * 40).get(ROOT).json == {"error": "Invalid token"}
    reader = with_scopes(server, api, "processes:read")
    writers = [with_scopes(server, api, scope) for scope in ("processes:write", "tasks:create")]
    for method, path, body in (*routes(process_id)[2:5], ("POST", ROOT, definition())):
        reply = sent(reader, method, path, body)
        assert (reply.status, reply.json) == (403, {"error": "Insufficient permissions"}), path
    for one in (api.as_(READER), *writers):
        assert one.get(f"{ROOT}/{process_id}").status == 403
        assert one.get(ROOT).status == 403
    for one in writers:
        assert update(one, create(one), "completed").status == 200
    assert reader.get(f"{ROOT}/{process_id}").status == 200
    assert reader.get(f"{ROOT}/templates").status == 200


def test_updates_at_the_same_time_are_taken_one_after_the_other(server: Living, api: Api) -> None:
    keys = [f"step-{number}" for number in range(12)]
    one = create(api, steps=[{"key": key, "label": key} for key in keys])
    replies: list[int] = []

    def report(key: str) -> None:
        own = Api(server.port)
        for kind in ("step_started", "step_completed"):
            replies.append(update(own, one, kind, step=key).status)
        own.close()

    threads = [threading.Thread(target=report, args=(key,)) for key in keys]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert replies == [200] * 24
    shown = api.get(f"{ROOT}/{one}")
    assert (shown.json["status"], shown.headers["etag"]) == ("completed", '"v26"')


BODIES = {
    ROOT: definition(),
    f"{ROOT}/{{}}/update": {"type": "progress", "step": "plan", "percent": 1, "message": "m"},
    f"{ROOT}/{{}}/cancel": {"reason": "x"},
    f"{ROOT}/{{}}/links": {"assignee_email": "a@example.com", "expires_in": 60},
}
NONSENSE: list[Any] = [
    *(None, True, -1, 1.5, 10**30, "", "x", "x" * 20_000, "ü\u202e\N{GRINNING FACE}"),
    *([], {}, [None], {"a": {"b": 1}}, ["x"] * 2_000),
]


@pytest.mark.parametrize("path", BODIES)
def test_every_hostile_body_is_a_clear_refusal(api: Api, path: str) -> None:
    one = create(api)
    for name, body in HOSTILE.items():
        reply = api.send("POST", path.format(one), body)
        if path.endswith("/cancel") and not body.strip():
            continue
        assert faults(reply), (path, name)


@pytest.mark.parametrize("path", BODIES)
def test_every_field_may_hold_nonsense(api: Api, path: str) -> None:
    message = BODIES[path]
    for key in (*message, "data", "summary", "metadata", "description"):
        for value in NONSENSE:
            one = create(api)
            reply = api.post(path.format(one), message | {key: value})
            assert reply.status < 500, (path, key, value, reply)
            assert api.get(f"{ROOT}/{one}").status == 200


def test_any_value_may_be_reported_and_comes_back(api: Api) -> None:
    steps = [{"key": str(n), "label": "x"} for n in range(20)]
    one = create(api, steps=steps)
    values = [0, False, "", [], [None], {"a": {"b": [1.5, "ü"]}}, 2**63, 10**30, "x" * 50_000]
    for number, value in enumerate(values):
        assert update(api, one, "step_completed", step=str(number), data=value).status == 200
    timeline = read(api, one)["timeline"]
    assert [entry.get("data") for entry in timeline[: len(values)]] == values
    assert update(api, one, "completed", summary="all done").status == 200
    assert read(api, one)["summary"] == "all done"


def test_the_face_describes_itself(api: Api) -> None:
    document = api.as_(None).get("/api/v1/openapi.json").json
    assert document["openapi"] == "3.1.0"
    for verb in (
        *("get /processes", "post /processes", "get /processes/templates"),
        *("get /processes/{process_id}", "post /processes/{process_id}/update"),
        *("post /processes/{process_id}/cancel", "delete /processes/{process_id}/links"),
    ):
        method, path = verb.split(" ")
        operation = document["paths"][f"/api/v1{path}"][method]
        assert operation["security"] and {"401", "403", "429"} <= set(operation["responses"])
    body = document["paths"]["/api/v1/processes/{process_id}/cancel"]["post"]["requestBody"]
    assert body["required"] is False
