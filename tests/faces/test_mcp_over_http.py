"""What `/mcp` answers whoever speaks plain HTTP to it, and what a hostile body gets."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any
from uuid import uuid4

import pytest
from living_server import READER, Api, Living, Reply
from mcp_by_hand import give_token

BOTH = {"Accept": "application/json, text/event-stream", "Content_Type": "application/json"}
MODERN = {
    "MCP_Protocol_Version": "2026-07-28",
    "Mcp_Method": "tools/call",
    "Mcp_Name": "list_tasks",
}
META = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientCapabilities": {},
}


def message(method: str, **params: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": 7, "method": method, "params": params}


def error_of(reply: Reply) -> dict[str, Any]:
    body = reply.json
    assert body["jsonrpc"] == "2.0" and body["id"] is None
    error: dict[str, Any] = body["error"]
    return error


@pytest.mark.parametrize(
    ("token", "status", "said"),
    [
        (None, 401, "Unauthorized"),
        ("x" * 40, 401, "Invalid token"),
        (READER, 403, "the token lacks the scope"),
    ],
)
def test_who_may_not_come_in_is_told_why(
    api: Api, token: str | None, status: int, said: str
) -> None:
    reply = api.as_(token).post("/mcp", message("ping"), **BOTH)
    assert reply.status == status
    assert error_of(reply)["message"].startswith(said)
    assert "x-request-id" in reply.headers
    if status == 401:
        assert reply.headers["www-authenticate"].startswith("Bearer")


def test_other_methods_are_told_which_are_allowed(api: Api) -> None:
    for method in ("GET", "PUT"):
        reply = api.send(method, "/mcp", **BOTH)
        assert (reply.status, reply.headers["allow"]) == (405, "DELETE, POST")
    assert api.send("DELETE", "/mcp").status == 204


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"nonsense",
        b'[{"jsonrpc":"2.0","id":1,"method":"ping"}]',
        b'{"jsonrpc":"2.0","id":1,"method":"ping","method":"ping"}',
        b'{"jsonrpc":"2.0","id":1,"method":"ping","params":{"a":NaN}}',
        b'{"jsonrpc":"2.0","id":1,"method":"ping","params":{"a":"\\ud800"}}',
        b'{"jsonrpc":"2.0","id":1,"method":"p\\u0000ing"}',
        b'{"a":' * 40 + b"1" + b"}" * 40,
        b'{"jsonrpc":"2.0","id":{},"method":"ping"}',
        b'{"jsonrpc":"2.0","id":1,"method":5}',
        b'{"jsonrpc":"1.0","id":1,"method":"ping"}',
        b"\xff\xfe",
    ],
)
def test_a_body_that_is_no_message_is_refused(api: Api, body: bytes) -> None:
    for headers in (BOTH, BOTH | MODERN):
        reply = api.send("POST", "/mcp", body, **headers)
        assert reply.status == 400, reply
        assert "error" in reply.json


def test_a_body_that_is_too_large_is_refused(api: Api) -> None:
    reply = api.post("/mcp", message("ping", pad="x" * 300_000), **BOTH)
    assert reply.status == 413
    assert "larger than" in error_of(reply)["message"]


def test_a_call_without_a_handshake_is_answered_as_json(api: Api) -> None:
    called = message("tools/call", name="list_tasks", arguments={"limit": 1}, _meta=META)
    reply = api.post("/mcp", called, **BOTH, **MODERN)
    assert reply.status == 200, reply
    assert reply.headers["content-type"].startswith("application/json")
    assert reply.json["id"] == 7
    assert reply.json["result"]["structuredContent"]["limit"] == 1


def test_a_method_that_is_not_served_is_an_error_of_the_protocol(api: Api) -> None:
    headers = BOTH | MODERN | {"Mcp_Method": "resources/list"}
    del headers["Mcp_Name"]
    reply = api.post("/mcp", message("resources/list", _meta=META), **headers)
    assert (reply.status, reply.json["error"]["code"]) == (404, -32601)


def test_sessions_of_the_older_protocol_are_only_names(api: Api) -> None:
    hello = message(
        "initialize",
        protocolVersion="2025-06-18",
        capabilities={},
        clientInfo={"name": "test", "version": "1"},
    )
    replies = [api.post("/mcp", hello, **BOTH) for _ in range(2)]
    names = {reply.headers["mcp-session-id"] for reply in replies}
    assert len(names) == 2
    assert b'"serverInfo"' in replies[0].body
    known = {**BOTH, "Mcp_Session_Id": "made-up", "MCP_Protocol_Version": "2025-06-18"}
    assert b'"tools"' in api.post("/mcp", message("tools/list"), **known).body


def test_one_clients_cancel_ends_no_other_clients_call(server: Living, api: Api) -> None:
    other = api.as_(give_token(server, f"other-{uuid4()}".rjust(40, "x"), ["tasks:read"]))
    asked = message("tools/call", name="ask_question", arguments={"question": "Q"})
    text = api.post("/mcp", asked, **BOTH).body.decode()
    task = json.loads(text.partition("data: ")[2])["result"]["structuredContent"]
    wait = message(
        "tools/call",
        name="wait_for_task",
        arguments={"task_id": task["task_id"], "timeout_seconds": 1},
    )
    session = {**BOTH, "Mcp_Session_Id": "one"}
    stream = api.open("POST", "/mcp", json.dumps(wait).encode(), **session)
    cancel = {
        "jsonrpc": "2.0",
        "method": "notifications/cancelled",
        "params": {"requestId": 7},
    }
    assert other.post("/mcp", cancel, **session).status == 202
    own = api.as_(api.token)
    assert own.post("/mcp", cancel, **BOTH, Mcp_Session_Id="two").status == 202
    assert b'"timed_out":true' in stream.read().replace(b'\\"', b'"')


def test_a_cancel_of_the_older_protocol_ends_the_call_it_names(api: Api) -> None:
    asked = message("tools/call", name="ask_question", arguments={"question": "Q"})
    text = api.post("/mcp", asked, **BOTH).body.decode()
    task = json.loads(text.partition("data: ")[2])["result"]["structuredContent"]
    wait = message("tools/call", name="wait_for_task", arguments={"task_id": task["task_id"]})
    session = {**BOTH, "Mcp_Session_Id": "mine"}
    stream = api.open("POST", "/mcp", json.dumps(wait).encode(), **session)
    cancel = {
        "jsonrpc": "2.0",
        "method": "notifications/cancelled",
        "params": {"requestId": 7},
    }
    assert api.as_(api.token).post("/mcp", cancel, **session).status == 202
    assert b"timed_out" not in stream.read()


def test_a_server_imports_the_sdk_with_the_first_message_only() -> None:
    code = (
        "import sys, procession.server, procession.cli;"
        "sys.exit(any(name in sys.modules for name in ('mcp', 'mcp_types', 'starlette')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
