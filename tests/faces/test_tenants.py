"""What belongs to another tenant cannot be told from what does not exist."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from living_server import OURS, READER, THEIRS, Api, Living, Reply, until
from requests_by_hand import account, cancel_request, fresh, process_of
from worker_by_hand import Worker

UNKNOWN = "01a200c3-0000-7000-8000-000000000000"
WRITES = {"POST", "PATCH"}


@pytest.fixture
def theirs(server: Living) -> Iterator[Api]:
    one = Api(server.port, THEIRS)
    yield one
    one.close()


def routes(process_id: str, item_id: str, delivery_id: object) -> list[tuple[str, str, Any]]:
    """Every route to one process: method, path, body."""
    one = f"/processes/{process_id}"
    return [
        ("GET", one, None),
        ("HEAD", one, None),
        ("GET", f"{one}?wait=1&version=99", None),
        ("GET", f"{one}/events", None),
        ("GET", f"{one}/stream", None),
        ("GET", f"{one}/items", None),
        ("GET", f"{one}/items/{item_id}/output", None),
        ("GET", f"{one}/deliveries", None),
        ("POST", f"{one}/cancel", cancel_request("hard")),
        ("POST", f"{one}/retry", {}),
        ("POST", f"{one}/items/{item_id}/answer", {"decision": "fail"}),
        ("POST", f"{one}/deliveries/{delivery_id}/resend", {}),
    ]


def sent(api: Api, method: str, path: str, body: Any) -> Reply:
    raw = None if body is None else json.dumps(body).encode()
    return api.send(method, path, raw, X_Request_Id="same")


def comparable(reply: Reply) -> tuple[int, dict[str, str], bytes]:
    headers = {name: value for name, value in reply.headers.items() if name != "date"}
    return reply.status, headers, reply.body


def test_a_foreign_process_answers_as_an_unknown_one_on_every_route(api: Api, theirs: Api) -> None:
    process_id = process_of(theirs)
    until(lambda: bool(theirs.get(f"/processes/{process_id}/deliveries").json["deliveries"]))
    (item,) = theirs.get(f"/processes/{process_id}/items").json["items"]
    delivery = theirs.get(f"/processes/{process_id}/deliveries").json["deliveries"][0]
    before = theirs.get(f"/processes/{process_id}").json
    foreign = routes(process_id, item["queue_item_id"], delivery["delivery_id"])
    unknown = routes(UNKNOWN, UNKNOWN, 999_999)
    bodies = set()
    for one, other in zip(foreign, unknown, strict=True):
        first, second = sent(api, *one), sent(api, *other)
        assert comparable(first) == comparable(second), one
        assert first.status == 404, one
        bodies |= {first.body} if one[0] != "HEAD" else set()
    assert len(bodies) == 1
    assert theirs.get(f"/processes/{process_id}").json == before


def test_odd_ids_are_not_found_like_unknown_ones(api: Api) -> None:
    expected = comparable(sent(api, "GET", f"/processes/{UNKNOWN}", None))
    for odd in ("x", "%27--", "a%2Fb", "%F0%9F%98%80", "9" * 500, UNKNOWN.upper(), "..", "%FF"):
        assert comparable(sent(api, "GET", f"/processes/{odd}", None)) == expected, odd


def test_a_foreign_account_or_phone_is_unknown(api: Api, theirs: Api) -> None:
    phone = fresh("phone")
    Worker(theirs, phone, agent_id=fresh("agent")).register()
    name = account(theirs, phone_id=phone)
    assert phone not in api.get("/phones").body.decode()
    assert name not in api.get("/accounts").body.decode()
    for method, path, body in (
        ("PATCH", "/accounts/{}", {"active": False}),
        ("PATCH", "/phones/{}", {"paused": True}),
        ("POST", "/phones/{}/release", {}),
    ):
        subject = name if "accounts" in path else phone
        foreign = sent(api, method, path.format(subject), body)
        unknown = sent(api, method, path.format("nobody"), body)
        assert comparable(foreign) == comparable(unknown)
        assert foreign.status == 404
    assert [one for one in theirs.get("/accounts").json["accounts"] if not one["active"]] == []


def test_the_same_account_id_may_live_in_two_tenants(api: Api, theirs: Api) -> None:
    name = account(api, app="ours")
    account(theirs, name, app="theirs")
    (mine,) = [one for one in api.get("/accounts").json["accounts"] if one["account_id"] == name]
    assert mine["app"] == "ours"


def test_every_endpoint_asks_for_a_token(server: Living) -> None:
    nobody = Api(server.port, None)
    wrong = Api(server.port, "x" * 40)
    document = nobody.get("/openapi.json").json
    asked = 0
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            if not operation["security"]:
                assert path in ("/openapi.json", "/healthz", "/livez", "/metrics")
                continue
            for one in (nobody, wrong):
                reply = one.send(method.upper(), path.replace("{", "").replace("}", ""), b"{}")
                assert reply.status == 401, (method, path)
                assert reply.headers["www-authenticate"].startswith("Bearer")
                assert reply.json["code"] == "unauthenticated"
                asked += 1
    assert asked > 40
    nobody.close()
    wrong.close()


def test_a_reader_reads_and_changes_nothing(server: Living, api: Api) -> None:
    process_id = process_of(api)
    reader = Api(server.port, READER)
    for method, path, body in routes(process_id, UNKNOWN, 1):
        reply = sent(reader, method, path.replace("/stream", ""), body)
        if method in WRITES:
            assert (reply.status, reply.json["code"]) == (403, "forbidden"), path
        else:
            assert reply.status != 403, path
    for method, path in (
        ("POST", "/capability-requests/enqueue"),
        ("POST", "/maintenance/requests"),
        ("POST", "/processes/bulk-cancel"),
        ("POST", "/processes/bulk-retry"),
        ("POST", "/ingest"),
        ("POST", "/cancel"),
        ("POST", "/runtime-snapshots/upsert"),
        ("POST", "/accounts"),
        ("PATCH", "/accounts/x"),
        ("PATCH", "/phones/x"),
        ("POST", "/phones/x/release"),
        ("POST", "/worker/v1/claim"),
    ):
        assert reader.send(method, path, b"{}").status == 403, path
    assert api.get(f"/processes/{process_id}").json["status"] == "queued"
    reader.close()


def test_a_revoked_token_is_refused_soon(server: Living, api: Api) -> None:
    from procession import tokens
    from procession.engine import Engine

    token = fresh("revoked") + "d" * 40

    async def make(engine: Engine) -> bool:
        return await engine.ledger.errand(
            lambda turn: tokens.create_token(
                turn, token=token, token_id=token, tenant="ours", name="t", scopes=["worker"]
            )
        )

    async def revoke(engine: Engine) -> None:
        await engine.ledger.errand(lambda turn: tokens.revoke_token(turn, token))

    assert server.call(make)
    other = api.as_(token)
    assert other.get("/phones").status == 403
    server.call(revoke)
    until(lambda: other.get("/phones").status == 401, within_s=5)


def test_tokens_are_looked_up_apart(server: Living) -> None:
    for token in (OURS, THEIRS, OURS):
        one = Api(server.port, token)
        assert one.get("/phones").status == 200
        one.close()
