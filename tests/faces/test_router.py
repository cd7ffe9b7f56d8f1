"""Routes, limits, request ids and errors, driven without a server."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from asgi_call import call, called
from msgspec import Struct
from structlog.testing import capture_logs

from procession.caller import Caller
from procession.core.errors import Unauthenticated
from procession.faces.access import Access
from procession.faces.endpoint import Answer, Endpoint, Face, Request
from procession.faces.problem import problem_of
from procession.faces.router import App
from procession.settings import Settings

TOKEN = ("Authorization", "Bearer right")


class Words(Struct):
    text: str


class Page(Struct):
    size: int = 5
    word: str = ""


async def caller_of(token: str) -> Caller:
    if token != "right":
        raise Unauthenticated
    return Caller("t", 1, "default", frozenset({"read"}))


async def show(request: Request) -> Answer:
    return Answer(body=json.dumps(request.params).encode())


async def say(request: Request) -> Answer:
    return Answer(201, Words(request.message.text), ((b"x-own", b"1"),))


async def page(request: Request) -> Answer:
    return Answer(body=json.dumps([request.query.size, request.query.word]).encode())


async def break_down(request: Request) -> Answer:
    raise RuntimeError("a secret nobody may read")


async def leave_alone(request: Request) -> Answer:
    return Answer(304, headers=((b"etag", b'"v1"'),))


class Clock:
    now = 0

    def __call__(self) -> int:
        return self.now


def app_of(clock: Callable[[], int] = lambda: 0, **settings: Any) -> App:
    rate = settings.get("rate_per_s_max", 0)
    endpoints = [
        Endpoint(method="GET", path="/things/{thing}", handler=show, summary=""),
        Endpoint(method="GET", path="/things/all", handler=page, summary="", query=Page),
        Endpoint(method="POST", path="/things", handler=say, summary="", body=Words, scope="read"),
        Endpoint(method="GET", path="/things/{thing}/parts/{part}", handler=show, summary=""),
        Endpoint(method="GET", path="/broken", handler=break_down, summary=""),
        Endpoint(method="GET", path="/same", handler=leave_alone, summary=""),
        Endpoint(method="GET", path="/secret", handler=show, summary="", scope="write"),
    ]
    access = Access(caller_of, rate, clock)
    face = Face(name="test", endpoints=endpoints, refuse=problem_of, admit=access.admit)
    return App([face], Settings(**settings))


@pytest.mark.parametrize(
    ("path", "params"),
    [
        ("/things/1", {"thing": "1"}),
        ("/things/a%2Fb", {"thing": "a/b"}),
        ("/things/%C3%BC", {"thing": "ü"}),
        ("/things/1/parts/2", {"thing": "1", "part": "2"}),
    ],
)
def test_parameters_come_out_of_the_path(path: str, params: dict[str, str]) -> None:
    assert json.loads(call(app_of(), "GET", path).body) == params


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/thing",
        "/things/",
        "/things/1/",
        "/things//parts/2",
        "/things/%00",
        "//things/1",
        "/x",
    ],
)
def test_a_path_nobody_serves_is_404(path: str) -> None:
    said = call(app_of(), "GET", path)
    assert said.status == 404
    assert said.headers["content-type"] == "application/problem+json"
    assert json.loads(said.body)["code"] == "not_found"


def test_a_fixed_segment_wins_over_a_parameter() -> None:
    assert call(app_of(), "GET", "/things/all").body == b'[5, ""]'


def test_an_unknown_method_names_those_that_are_known() -> None:
    said = call(app_of(), "DELETE", "/things/1")
    assert (said.status, said.headers["allow"]) == (405, "GET, HEAD")
    assert call(app_of(), "GET", "/things").headers["allow"] == "POST"


def test_head_is_get_without_the_body() -> None:
    got, head = call(app_of(), "GET", "/things/1"), call(app_of(), "HEAD", "/things/1")
    assert (head.status, head.body) == (200, b"")
    assert head.headers["content-length"] == got.headers["content-length"]


def test_an_unchanged_answer_has_no_body_headers() -> None:
    said = call(app_of(), "GET", "/same")
    assert (said.status, said.body) == (304, b"")
    assert "content-length" not in said.headers and said.headers["etag"] == '"v1"'


def test_a_body_that_comes_in_pieces_is_one_body() -> None:
    said = call(app_of(), "POST", "/things", body=[b'{"te', b'xt":', b'"x"}'], headers=[TOKEN])
    assert (said.status, said.body, said.headers["x-own"]) == (201, b'{"text":"x"}', "1")


@pytest.mark.parametrize(
    ("query", "answer"),
    [("", [5, ""]), ("?size=7&word=a%20b", [7, "a b"]), ("?other=1", [5, ""]), ("?word=", [5, ""])],
)
def test_the_query_is_decoded(query: str, answer: list[Any]) -> None:
    assert json.loads(call(app_of(), "GET", "/things/all" + query).body) == answer


@pytest.mark.parametrize("query", ["?size=x", "?size=1.5", "?word=%FF", "?word=%00", "?size="])
def test_a_wrong_query_is_refused(query: str) -> None:
    said = call(app_of(), "GET", "/things/all" + query)
    assert said.status == 422
    assert json.loads(said.body)["errors"][0]["message"]


def test_a_query_of_too_many_parts_is_refused() -> None:
    assert call(app_of(), "GET", "/things/all?" + "a=1&" * 200).status == 422
    assert call(app_of(), "GET", "/things/all?word=" + "a" * 10_000).status == 422


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [("Authorization", "right")],
        [("Authorization", "Basic right")],
        [("Authorization", "Bearer ")],
        [("Authorization", "Bearer wrong")],
        [("Authorization", "Bearer " + "x" * 10_000)],
    ],
)
def test_without_a_right_token_nothing_is_answered(headers: list[tuple[str, str]]) -> None:
    said = call(app_of(), "POST", "/things", body=[b"not even json"], headers=headers)
    assert said.status == 401
    assert said.headers["www-authenticate"].startswith("Bearer")


def test_a_token_without_the_scope_is_forbidden() -> None:
    said = call(app_of(), "GET", "/secret", headers=[TOKEN])
    assert (said.status, json.loads(said.body)["code"]) == (403, "forbidden")


def test_the_word_bearer_may_be_written_in_any_case() -> None:
    headers = [("authorization", "bEARER right")]
    assert call(app_of(), "POST", "/things", body=[b'{"text":""}'], headers=headers).status == 201


def test_a_large_body_is_refused_by_its_length_and_by_its_bytes() -> None:
    app = app_of(body_bytes_max=1_024)
    told = call(app, "POST", "/things", headers=[TOKEN, ("Content-Length", "1025")])
    huge = [b"a" * 600, b"a" * 600, b"a" * 600]
    sent = call(app, "POST", "/things", body=huge, headers=[TOKEN])
    for said in (told, sent):
        assert (said.status, said.headers["connection"]) == (413, "close")
        assert json.loads(said.body)["code"] == "body_too_large"


def test_a_body_that_never_ends_is_cut_off() -> None:
    async def slow() -> None:
        app = app_of(body_ms_max=100)
        said = await called(app, "POST", "/things", body=[b'{"te'], headers=[TOKEN], complete=False)
        assert (said.status, said.headers["connection"]) == (408, "close")

    asyncio.run(slow())


def test_an_unexpected_failure_says_nothing_but_its_request_id() -> None:
    with capture_logs() as logs:
        said = call(app_of(), "GET", "/broken", headers=[("X-Request-Id", "mine-1")])
    assert said.status == 500
    assert b"secret" not in said.body and json.loads(said.body)["code"] == "unexpected"
    assert said.headers["x-request-id"] == logs[0]["request_id"] == "mine-1"
    assert "a secret nobody may read" in logs[0]["trace"]


@pytest.mark.parametrize("given", ["", "a b", "a" * 129, 'x"y', "ü"])
def test_an_odd_request_id_is_replaced(given: str) -> None:
    said = call(app_of(), "GET", "/things/1", headers=[("X-Request-Id", given)])
    assert said.headers["x-request-id"] not in ("", given)


def test_request_ids_differ() -> None:
    app = app_of()
    ids = {call(app, "GET", "/things/1").headers["x-request-id"] for _ in range(20)}
    assert len(ids) == 20


def test_more_requests_than_allowed_at_once_are_told_to_come_again() -> None:
    held = asyncio.Event()

    async def hold(request: Request) -> Answer:
        await held.wait()
        return Answer()

    async def wait_aside(request: Request) -> Answer:
        with request.parked():
            await held.wait()
        return Answer()

    async def crowd() -> None:
        endpoints = [
            Endpoint(method="GET", path="/hold", handler=hold, summary=""),
            Endpoint(method="GET", path="/wait", handler=wait_aside, summary=""),
        ]
        access = Access(caller_of, 0, Clock())
        face = Face(name="test", endpoints=endpoints, refuse=problem_of, admit=access.admit)
        app = App([face], Settings(requests_max=2))
        waiting = [asyncio.ensure_future(called(app, "GET", "/wait")) for _ in range(5)]
        await asyncio.sleep(0)
        holding = [asyncio.ensure_future(called(app, "GET", "/hold")) for _ in range(2)]
        await asyncio.sleep(0)
        assert (app.load.count, app.load.waiting) == (2, 5)
        said = await called(app, "GET", "/hold")
        assert (said.status, said.headers["retry-after"]) == (503, "1")
        held.set()
        assert {one.status for one in await asyncio.gather(*waiting, *holding)} == {200}
        assert (app.load.count, app.load.waiting) == (0, 0)

    asyncio.run(crowd())


def test_a_token_that_asks_too_often_is_slowed_and_then_served_again() -> None:
    clock = Clock()
    app = app_of(clock, rate_per_s_max=3)

    def ask() -> int:
        return call(app, "POST", "/things", body=[b'{"text":""}'], headers=[TOKEN]).status

    assert [ask() for _ in range(5)] == [201, 201, 201, 429, 429]
    clock.now = 400
    assert [ask(), ask()] == [201, 429]
    clock.now = 60_000
    assert [ask() for _ in range(4)] == [201, 201, 201, 429]


def test_counts_name_only_what_is_declared() -> None:
    app = app_of()
    call(app, "GET", "/things/1")
    call(app, "BREW", "/things/1")
    call(app, "GET", "/guess/me")
    assert app.load.answered == {
        ("GET", "/things/{thing}", 200): 1,
        ("other", "unknown", 405): 1,
        ("other", "unknown", 404): 1,
    }
