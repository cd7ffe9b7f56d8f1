"""Whatever is sent, the answer is a clear refusal or a success, never a failure of ours."""

from __future__ import annotations

import json
import socket
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from living_server import OURS, Api, Living
from requests_by_hand import cancel_request, capability_request, fresh, process_of
from test_strict_json import HOSTILE, VALUES, written

BODIES: dict[str, Any] = {
    "/capability-requests/enqueue": capability_request(request_id="r", inputs={"steps": []}),
    "/maintenance/requests": {
        "request_id": "r",
        "account_id": "a",
        "inputs": {"steps": [{"action": "health_check"}]},
        "callback": {"url": "https://example.com/x"},
        "requested_by": {"system": "s"},
    },
    "/processes/{process_id}/cancel": cancel_request("hard", force_after_seconds=3),
    "/processes/{process_id}/items/x/answer": {"decision": "retry"},
    "/processes/bulk-cancel": cancel_request(filter={"request_id": "none"}, dry_run=True),
    "/processes/bulk-retry": {"filter": {"request_id": "none"}, "dry_run": True},
    "/ingest": {
        "content_id": "c",
        "account_id": "a",
        "video_path": "http://127.0.0.1:1/v.mp4",
        "caption": "words",
        "hashtags": ["one"],
        "scheduling_hint": "2026-01-01T00:00:00Z",
        "metadata": {},
    },
    "/cancel": {"content_id": "c", "account_id": "a", "reason": "r"},
    "/runtime-snapshots/upsert": {
        "account_id": "a",
        "ugc_account_id": "u",
        "snapshot_id": "s",
        "content_hash": "h",
        "strategy_version": 1,
        "strategy_synced_at": "2026-01-01T00:00:00Z",
        "personality": {},
        "stage": "s",
        "active_skills": ["x"],
    },
    "/accounts": {"account_id": "a", "labels": ["x"], "active": True},
    "/worker/v1/claim": {"agent_id": "a", "phones": ["p"], "wait_ms": 0},
    "/worker/v1/finish": {"agent_id": "a", "results": []},
}
PATCHES: dict[str, Any] = {
    "/accounts/a": {"labels": ["x"], "active": True, "phone_id": None},
    "/phones/p": {"labels": ["x"], "paused": True},
}
ROUTES = [("POST", path) for path in BODIES] + [("PATCH", path) for path in PATCHES]


def sample(path: str) -> Any:
    return (BODIES | PATCHES)[path]


@pytest.fixture(scope="module")
def process_id(server: Living) -> str:
    api = Api(server.port)
    made = process_of(api)
    api.close()
    return made


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_every_hostile_body_is_a_clear_refusal_everywhere(
    api: Api, process_id: str, method: str, path: str
) -> None:
    for name, body in HOSTILE.items():
        reply = api.send(method, path.format(process_id=process_id), body)
        assert reply.status == 422, (path, name, reply)
        problem = reply.json
        assert problem["code"] == "validation_failed" and problem["detail"]
        assert problem["errors"] and all(error["message"] for error in problem["errors"])
    assert api.get("/healthz").status == 200


SPOILERS: list[Any] = [
    None,
    True,
    0,
    -1,
    1.5,
    10**30,
    1e308,
    "",
    "x",
    "x" * 5_000,
    "ü\u202e\N{GRINNING FACE}",
    [],
    {},
    [None],
    ["x"] * 20_000,
    {"a": {"b": {"c": 1}}},
]


def spoiled(value: Any) -> list[Any]:
    """The value with one of its parts replaced or gone, in every way."""
    found = list(SPOILERS)
    if isinstance(value, dict):
        for key, held in value.items():
            found.append({k: v for k, v in value.items() if k != key})
            found += [value | {key: other} for other in spoiled(held)]
    return found


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_every_field_may_hold_nonsense(api: Api, process_id: str, method: str, path: str) -> None:
    for message in spoiled(sample(path)):
        reply = api.send(method, path.format(process_id=process_id), json.dumps(message).encode())
        assert reply.status < 500, (path, message, reply)
        assert reply.status != 422 or reply.json["errors"], (path, message)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(route=st.sampled_from(ROUTES), data=st.data())
def test_drawn_bodies_never_break_the_server(
    api: Api, process_id: str, route: tuple[str, str], data: st.DataObject
) -> None:
    method, path = route
    message = sample(path)
    key = data.draw(st.sampled_from(sorted(message)))
    body = data.draw(
        st.one_of(
            written(),
            VALUES.map(lambda value: json.dumps(message | {key: value}).encode()),
        )
    )
    reply = api.send(method, path.format(process_id=process_id), body)
    assert reply.status < 500, (path, body, reply)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.sampled_from(["/processes", "/processes/x", "/processes/x/events", "/processes/x/items"]),
    st.lists(
        st.tuples(
            st.sampled_from(
                ["status", "limit", "cursor", "search", "wait", "version", "after", "x", "phone_id"]
            ),
            st.binary(max_size=8).map(lambda raw: "".join(f"%{byte:02X}" for byte in raw))
            | st.from_regex(r"[a-zA-Z0-9_.,-]{0,12}", fullmatch=True),
        ),
        max_size=4,
    ),
)
def test_drawn_queries_never_break_the_server(
    api: Api, path: str, pairs: list[tuple[str, str]]
) -> None:
    pairs = [(name, "0" if name == "wait" and value.isdigit() else value) for name, value in pairs]
    reply = api.get(path + "?" + "&".join(f"{name}={value}" for name, value in pairs))
    assert reply.status in (200, 404, 422), reply


def test_a_body_over_the_limit_is_refused(server: Living) -> None:
    api = Api(server.port)
    message = capability_request(request_id=fresh(), inputs={"x": "y" * 300_000})
    reply = api.post("/capability-requests/enqueue", message)
    assert (reply.status, reply.json["code"]) == (413, "body_too_large")
    api.close()
    api = Api(server.port)
    fits = capability_request(request_id=fresh(), inputs={"x": "y" * 200_000})
    assert api.post("/capability-requests/enqueue", fits).status == 202
    api.close()


def raw(server: Living, data: bytes) -> bytes:
    """What the server says to these bytes until it closes."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as connection:
        connection.sendall(data)
        found = b""
        while more := connection.recv(65_536):
            found += more
        return found


def test_a_chunked_body_over_the_limit_is_cut_off(server: Living) -> None:
    head = (
        b"POST /capability-requests/enqueue HTTP/1.1\r\nHost: x\r\n"
        b"Authorization: Bearer " + OURS.encode() + b"\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    said = raw(server, head + b"40000\r\n" + b"a" * 0x40000 + b"\r\n1\r\na\r\n0\r\n\r\n")
    assert said.startswith(b"HTTP/1.1 413 ")


@pytest.mark.parametrize(
    "request_line",
    [b"GET / HTTP/9.9", b"GET", b"\x00\x01", b"GET /\xff HTTP/1.1", b"BREW / HTTP/1.1"],
)
def test_what_is_not_http_is_refused(server: Living, request_line: bytes) -> None:
    said = raw(server, request_line + b"\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert said.startswith((b"HTTP/1.1 4", b"HTTP/1.0 4"))
