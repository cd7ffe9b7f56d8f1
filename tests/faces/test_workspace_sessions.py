"""Signing in and out: sessions that end at once, tokens that cannot be forged."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from living_server import OURS, Api, Living, until
from people_by_hand import claims_of, forged, person, secret_of, sign_in, signed_in

from procession import people
from procession.engine import Engine
from procession.loops import OldSessions
from procession.store.turn import Turn

UNAUTHENTICATED = b'{"message":"Unauthenticated."}'
DAY_S = 86_400


def test_a_sign_in_gives_a_token_for_14_days_that_says_who(server: Living, api: Api) -> None:
    email = person(server)
    reply = sign_in(api, email)
    assert reply.status == 200
    assert list(reply.json) == ["user", "expires_at", "token"]
    assert "set-cookie" not in reply.headers
    claims = claims_of(reply.json["token"], secret_of(server))
    assert set(claims) == {"iss", "iat", "exp", "nbf", "sub", "jti", "role"}
    assert claims["exp"] - claims["iat"] == 14 * DAY_S
    assert (claims["role"], claims["sub"]) == ("member", str(reply.json["user"]["id"]))
    me = api.as_(reply.json["token"]).get("/api/me").json
    assert (me["email"], me["role"]) == (email, "member")
    assert me["id"] == reply.json["user"]["id"]


def test_an_api_token_is_nobody_and_has_no_session_to_end(api: Api) -> None:
    me = api.get("/api/me").json
    assert (me["id"], me["email"], me["role"]) == (None, None, None)
    assert "jobs:read" in me["scopes"]
    assert api.post("/api/logout").status == 401


def test_signing_out_ends_the_session_at_once_and_no_other(server: Living, api: Api) -> None:
    email = person(server)
    one, other = signed_in(api, email), signed_in(api, email)
    assert one.post("/api/logout").status == 200
    assert one.get("/api/me").body == UNAUTHENTICATED
    assert one.post("/api/logout").status == 401
    assert other.get("/api/me").status == 200


def test_an_unknown_address_and_a_wrong_password_are_answered_the_same(
    server: Living, api: Api
) -> None:
    email = person(server)
    wrong = sign_in(api, email, password="not the password")
    unknown = sign_in(api, "nobody-" + email)
    assert wrong.status == unknown.status == 401
    assert wrong.body == unknown.body == UNAUTHENTICATED


def test_too_many_wrong_passwords_close_the_door_of_that_address(server: Living, api: Api) -> None:
    email, other = person(server), person(server)
    statuses = [sign_in(api, email, password="wrong password").status for _ in range(11)]
    assert statuses[0] == 401 and statuses[-1] == 429
    limited = sign_in(api, email)
    assert limited.status == 429
    assert int(limited.headers["retry-after"]) > 0
    assert sign_in(api, other).status == 200


def test_roles_say_what_a_person_may_do(server: Living, api: Api) -> None:
    viewer = signed_in(api, person(server, "viewer"))
    assert viewer.get("/api/processes").status == 200
    refused = viewer.post("/api/processes", {"type": "echo"})
    assert refused.status == 403 and "jobs:write" in refused.json["message"]
    member = signed_in(api, person(server))
    made = member.post("/api/processes", {"type": "echo", "input": {"a": 1}})
    assert made.status == 202
    assert made.json["user_id"] == member.get("/api/me").json["id"]


def test_people_of_another_tenant_see_nothing_of_ours(server: Living, api: Api) -> None:
    made = signed_in(api, person(server)).post("/api/processes", {"type": "echo"}).json
    theirs = signed_in(api, person(server, tenant="theirs"))
    assert theirs.get(f"/api/processes/{made['id']}").body == b'{"message":"Not found."}'
    assert made["id"] not in [one["id"] for one in theirs.get("/api/processes?limit=200").json]


def unsigned(claims: dict[str, Any]) -> str:
    def part(value: Any) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")

    return f"{part({'alg': 'none', 'typ': 'JWT'})}.{part(claims)}."


@pytest.mark.parametrize(
    "trick",
    [
        lambda claims, secret: unsigned(claims),
        lambda claims, secret: unsigned(claims) + "AAAA",
        lambda claims, secret: forged(claims, "0" * 64),
        lambda claims, secret: forged(claims, secret, "HS512"),
        lambda claims, secret: forged(claims | {"iss": "another"}, secret),
        lambda claims, secret: forged(claims | {"nbf": claims["nbf"] + 3_600}, secret),
        lambda claims, secret: forged(claims | {"exp": claims["iat"] - 1}, secret),
        lambda claims, secret: forged(claims | {"sub": "999999"}, secret),
        lambda claims, secret: forged(claims | {"jti": "guessed"}, secret),
        lambda claims, secret: forged(claims | {"jti": None}, secret),
        lambda claims, secret: forged(claims | {"process": "x"}, secret),
        lambda claims, secret: forged(claims | {"more": 1}, secret),
        lambda claims, secret: forged({"sub": claims["sub"]}, secret),
        lambda claims, secret: forged(claims, secret)[:-2],
        lambda claims, secret: "a.b.c",
        lambda claims, secret: "..",
    ],
)
def test_no_token_but_our_own_is_believed(server: Living, api: Api, trick: Any) -> None:
    token = sign_in(api, person(server)).json["token"]
    secret = secret_of(server)
    claims = claims_of(token, secret)
    assert api.as_(forged(claims, secret)).get("/api/me").status == 200
    refused = api.as_(trick(claims, secret)).get("/api/me")
    assert (refused.status, refused.body) == (401, UNAUTHENTICATED)


def test_an_altered_role_changes_nothing(server: Living, api: Api) -> None:
    token = sign_in(api, person(server, "viewer")).json["token"]
    secret = secret_of(server)
    king = api.as_(forged(claims_of(token, secret) | {"role": "admin"}, secret))
    assert king.post("/api/processes", {"type": "echo"}).status == 403


def test_a_disabled_person_is_out_at_once(server: Living, api: Api) -> None:
    email = person(server)
    one = signed_in(api, email)

    async def disable(engine: Engine) -> None:
        async def run(turn: Turn) -> None:
            await people.disable_person(turn, email)

        await engine.ledger.errand(run)

    server.call(disable)
    assert one.get("/api/me").status == 401
    assert sign_in(api, email).status == 401


def test_a_session_is_over_when_its_time_is(server: Living, api: Api) -> None:
    one = signed_in(api, person(server))

    async def age(engine: Engine) -> None:
        async def run(turn: Turn) -> None:
            connection = turn.store.connection
            await connection.execute("drop_sessions", before_ms=engine.now_ms() + 15 * DAY_S * 1000)

        await engine.ledger.errand(run)

    server.call(age)
    assert one.get("/api/me").status == 401


def test_sessions_go_a_day_after_they_are_over(server: Living, api: Api) -> None:
    one = signed_in(api, person(server))

    def step_after(days: int) -> None:
        server.call(lambda engine: OldSessions(engine).step(engine.now_ms() + days * DAY_S * 1000))

    step_after(0)
    assert one.get("/api/me").status == 200
    step_after(400)
    assert one.get("/api/me").status == 401


def test_a_browser_signs_in_by_cookie_and_needs_its_csrf_token(server: Living, api: Api) -> None:
    reply = sign_in(api, person(server), cookie=True)
    assert "token" not in reply.json
    cookie, *flags = reply.headers["set-cookie"].split("; ")
    assert {"HttpOnly", "SameSite=Lax", "Path=/"} <= set(flags)
    browser = api.as_(None)
    assert browser.get("/api/me", Cookie=cookie).status == 200
    refused = browser.post("/api/processes", {"type": "echo"}, Cookie=cookie)
    assert refused.status == 403 and "CSRF" in refused.json["message"]
    csrf = browser.get("/api/me", Cookie=cookie).json["csrf_token"]
    assert csrf == reply.json["csrf_token"]
    named = {"Cookie": cookie, "X_CSRF_Token": csrf}
    assert browser.post("/api/processes", {"type": "echo"}, **named).status == 202
    out = browser.post("/api/logout", **named)
    assert out.status == 200 and "Max-Age=0" in out.headers["set-cookie"]
    assert browser.get("/api/me", Cookie=cookie).status == 401


def test_one_persons_csrf_token_is_no_others(server: Living, api: Api) -> None:
    mine = sign_in(api, person(server), cookie=True)
    other = sign_in(api, person(server), cookie=True)
    cookie = mine.headers["set-cookie"].split("; ")[0]
    named = {"Cookie": cookie, "X_CSRF_Token": other.json["csrf_token"]}
    assert api.as_(None).post("/api/processes", {"type": "echo"}, **named).status == 403


def test_signing_out_ends_the_open_streams_of_the_session_and_no_other(
    server: Living, api: Api
) -> None:
    email = person(server)
    one, other = signed_in(api, email), signed_in(api, email)
    job = one.post("/api/processes", {"type": "sleep", "input": {"seconds": 60}}).json
    path = f"/api/processes/{job['id']}/stream"
    mine, theirs = one.as_(one.token).open("GET", path), other.open("GET", path)
    tray = one.as_(one.token).open("GET", "/api/processes/stream")
    assert mine.status == theirs.status == tray.status == 200
    workspace = server.all_streams.workspace
    until(lambda: workspace.count == 3)
    assert b"procession_streams_open 3.0\n" in api.get("/metrics").body
    one.post("/api/logout")
    until(lambda: workspace.count == 1)
    assert b"data: " in mine.read() and b"data: " in tray.read()
    theirs.close()
    other.close()
    until(lambda: workspace.count == 0)


@pytest.mark.parametrize("kind", ["one", "all"])
def test_a_sign_out_while_a_stream_opens_is_not_overheard(
    server: Living, api: Api, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    one = signed_in(api, person(server))
    job = one.post("/api/processes", {"type": "sleep", "input": {"seconds": 60}}).json
    path = f"/api/processes/{job['id']}/stream" if kind == "one" else "/api/processes/stream"
    workspace = server.all_streams.workspace
    streams = getattr(workspace, kind)
    opened = streams.open

    async def signing_out(*args: Any) -> Any:
        answer = await opened(*args)
        await people.Sessions(server.engine).sign_out(claims["jti"])
        return answer

    claims = claims_of(one.token or "", secret_of(server))
    monkeypatch.setattr(streams, "open", signing_out)
    reply = one.get(path)
    assert (reply.status, reply.body) == (401, UNAUTHENTICATED)
    until(lambda: workspace.count == 0)


def test_a_stream_token_shows_its_one_stream_and_nothing_else(server: Living, api: Api) -> None:
    one = signed_in(api, person(server))
    job, other = (
        one.post("/api/processes", {"type": "echo", "input": {"n": n}}).json for n in range(2)
    )
    given = one.post(f"/api/processes/{job['id']}/stream-token").json
    claims = claims_of(given["token"], secret_of(server))
    assert claims["exp"] - claims["iat"] == 15 * 60
    nobody = api.as_(None)
    opened = nobody.open("GET", given["url"])
    assert opened.status == 200
    opened.close()
    for path in (f"/api/processes/{other['id']}/stream?token={given['token']}",):
        assert api.as_(None).get(path).status == 401
    bearer = api.as_(given["token"])
    assert bearer.get("/api/me").status == 401
    assert bearer.post(f"/api/processes/{job['id']}/cancel").status == 401
    one.post("/api/logout")
    assert api.as_(None).get(given["url"]).status == 401


def test_an_api_token_gets_no_stream_token(api: Api) -> None:
    job = api.post("/api/processes", {"type": "echo"}).json
    assert api.as_(OURS).post(f"/api/processes/{job['id']}/stream-token").status == 404
