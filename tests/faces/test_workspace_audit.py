"""Who did what: a row for every request that may change something, and never a secret in it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from living_server import OURS, Api, Living, living
from people_by_hand import PASSWORD, person, sign_in, signed_in

from procession.engine import Engine
from procession.faces.workspace.audit import HIDDEN, hidden, shown

LATEST = 2**62


def rows(server: Living, tenant: str = "ours") -> list[dict[str, Any]]:
    """The newest rows of a tenant; of tenant 0 are those nobody was let in for."""

    async def read(engine: Engine) -> Any:
        fetch = engine.store.connection.fetch
        found = await fetch("get_tenant", name=tenant)
        tenant_id = found[0][0] if found else 0
        return await fetch("list_audit", tenant_id=tenant_id, below=LATEST, limit=50)

    return [
        {"who": row[1], "action": row[2], "at_ms": row[5], **json.loads(row[4])}
        for row in server.call(read)
    ]


def row_of(server: Living, request_id: str, tenant: str = "ours") -> dict[str, Any]:
    (found,) = [row for row in rows(server, tenant) if row["request_id"] == request_id]
    return found


def test_a_success_is_kept_with_who_what_and_how_long(server: Living, api: Api) -> None:
    one = signed_in(api, person(server))
    headers = {
        "X_Audit_Action": "import.start",
        "X_Audit_Resource_Type": "import",
        "X_Audit_Resource_Id": "7",
        "X_Audit_Request_Id": "front-1",
    }
    reply = one.post("/api/processes", {"type": "echo", "input": {"a": 1}}, **headers)
    row = row_of(server, reply.headers["x-request-id"])
    assert row["who"] == f"user:{reply.json['user_id']}"
    assert (row["method"], row["path"], row["status"]) == ("POST", "/api/processes", 202)
    assert row["action"] == "import.start"
    assert row["client"] == {
        "action": "import.start",
        "resource_type": "import",
        "resource_id": "7",
        "request_id": "front-1",
    }
    assert row["body"] == {"type": "echo", "input": {"a": 1}}
    assert 0 <= row["duration_ms"] < 30_000


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/api/processes", {"type": "no_such"}, 422),
        ("/api/processes/999999/cancel", {}, 404),
        ("/api/nowhere", {}, 404),
    ],
)
def test_a_refusal_is_kept_with_its_answer(
    server: Living, api: Api, path: str, body: Any, status: int
) -> None:
    reply = api.post(path, body)
    assert reply.status == status
    tenant = "ours" if path != "/api/nowhere" else "nobody"
    row = row_of(server, reply.headers["x-request-id"], tenant)
    assert (row["status"], row["answer"]["message"]) == (status, reply.json["message"])


def test_a_request_nobody_was_let_in_for_is_kept_too(server: Living, api: Api) -> None:
    reply = api.as_(None).post("/api/processes", {"type": "echo"})
    row = row_of(server, reply.headers["x-request-id"], "nobody")
    assert (row["status"], row["who"]) == (401, "")


def test_a_crash_is_kept_and_answered_without_a_trace(
    server: Living, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: Any) -> None:
        raise RuntimeError("a secret detail")

    monkeypatch.setattr("procession.starting.start_job", broken)
    reply = api.post("/api/processes", {"type": "echo"})
    assert reply.status == 500 and b"secret detail" not in reply.body
    assert row_of(server, reply.headers["x-request-id"])["status"] == 500


def test_reads_write_nothing(server: Living, api: Api) -> None:
    before = len(rows(server))
    for path in ("/api/processes", "/api/me", "/api/workspaces", "/api/processes/999999"):
        api.get(path)
    assert len(rows(server)) == before


def test_passwords_and_tokens_are_never_kept(server: Living, api: Api) -> None:
    email = person(server)
    reply = sign_in(api, email)
    row = row_of(server, reply.headers["x-request-id"], "nobody")
    assert row["body"] == {"email": email, "password": HIDDEN}
    kept = json.dumps(rows(server) + rows(server, "nobody"))
    assert PASSWORD not in kept and reply.json["token"] not in kept and OURS not in kept


@pytest.mark.parametrize(
    "name", ["password", "API-Key", "access_token", "clientSecret", "Authorization", "csrf"]
)
def test_whatever_sounds_like_a_secret_is_hidden_however_deep(name: str) -> None:
    value = {"list": [{"inner": {name: {"deep": "x"}}}], "plain": "y"}
    assert hidden(value) == {"list": [{"inner": {name: HIDDEN}}], "plain": "y"}


def test_large_bodies_and_what_is_no_json_are_kept_by_their_size() -> None:
    assert shown(b'{"text":"' + b"x" * 10_000 + b'"}') == {"bytes": 10_011}
    assert shown(b"\xff\xfe") == {"bytes": 2}
    assert shown(b"") is None


def test_an_audit_that_cannot_be_written_breaks_nothing(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: Any) -> None:
        raise OSError("no space left")

    monkeypatch.setattr("procession.faces.workspace.audit.Audit._write", broken)
    with living(tmp_path) as server:
        api = Api(server.port)
        assert api.post("/api/processes", {"type": "echo"}).status == 202
        assert rows(server) == []
        api.close()
