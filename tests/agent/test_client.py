"""The HTTP client against real HTTP servers that behave and misbehave."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from aiohttp import web
from fake_server import TOKEN, FakeServer, free_port

from procession.client import TRIES_MAX, Client, Refused, Unreachable
from procession.protocol import PROTOCOL_VERSION, Drain, Orders, Register, Registered

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
REGISTER = Register("agent-1", PROTOCOL_VERSION, "0", [])


def served(handler: Handler, story: Callable[[Client], Awaitable[None]]) -> None:
    async def whole() -> None:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", handler)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        port = free_port()
        await web.TCPSite(runner, "127.0.0.1", port).start()
        try:
            async with Client(f"http://127.0.0.1:{port}/", TOKEN) as client:
                await story(client)
        finally:
            await runner.cleanup()

    asyncio.run(whole())


def test_a_worker_verb_is_sent_with_the_token_and_answered_typed() -> None:
    async def story() -> None:
        async with FakeServer() as server, Client(server.url, TOKEN) as client:
            answer = await client.worker("register", REGISTER, Registered)
            assert answer.agent_id == "agent-1"

    asyncio.run(story())


def test_a_refusal_carries_status_code_message_and_when_to_come_back() -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        body = {"code": "overloaded", "detail": "too much"}
        return web.json_response(body, status=503, headers={"Retry-After": "7"})

    async def story(client: Client) -> None:
        with pytest.raises(Refused) as caught:
            await client.worker("drain", Drain("agent-1"), Orders)
        refused = caught.value
        assert (refused.status, refused.code, refused.message) == (503, "overloaded", "too much")
        assert refused.retry_after_s == 7

    served(handler, story)


def test_a_refusal_that_is_no_problem_document_is_still_one() -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        return web.Response(status=502, text="<h1>Bad gateway</h1>")

    async def story(client: Client) -> None:
        with pytest.raises(Refused) as caught:
            await client.worker("drain", Drain("agent-1"), Orders)
        assert caught.value.status == 502 and "Bad gateway" in caught.value.message

    served(handler, story)


def test_a_refused_connection_is_told_from_silence_and_from_a_break() -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        if request.path.endswith("/drain"):
            assert request.transport
            request.transport.abort()
        await asyncio.sleep(1)
        return web.Response()

    async def story(client: Client) -> None:
        with pytest.raises(Unreachable) as caught:
            await client.worker("register", REGISTER, Registered, timeout_s=0.2)
        assert caught.value.why == "timeout"
        with pytest.raises(Unreachable) as caught:
            await client.worker("drain", Drain("agent-1"), Orders)
        assert caught.value.why == "broken"
        async with Client(f"http://127.0.0.1:{free_port()}", TOKEN) as nobody:
            with pytest.raises(Unreachable) as caught:
                await nobody.get("/healthz")
        assert caught.value.why == "refused"

    served(handler, story)


def test_an_answer_that_is_not_the_protocol_is_a_broken_server() -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        return web.Response(text="hello")

    async def story(client: Client) -> None:
        with pytest.raises(Unreachable) as caught:
            await client.worker("register", REGISTER, Registered)
        assert caught.value.why == "broken"

    served(handler, story)


def test_reads_are_tried_again_when_told_so_but_writes_only_if_harmless() -> None:
    asked: list[str] = []

    async def handler(request: web.Request) -> web.StreamResponse:
        asked.append(request.method)
        enough = asked.count(request.method) >= 3
        return web.json_response(
            {"n": len(asked)}, status=200 if enough else 503, headers={"Retry-After": "0"}
        )

    async def story(client: Client) -> None:
        assert (await client.get("/processes"))[0] == 200
        assert asked == ["GET"] * 3
        asked.clear()
        assert (await client.post("/x", {"a": 1}))[0] == 503
        assert asked == ["POST"]
        asked.clear()
        assert (await client.patch("/x", {"a": 1}, idempotent=True))[0] == 200

    served(handler, story)


def test_trying_again_ends() -> None:
    asked: list[str] = []

    async def handler(request: web.Request) -> web.StreamResponse:
        asked.append(request.method)
        return web.Response(status=429, headers={"Retry-After": "0"})

    async def story(client: Client) -> None:
        assert (await client.delete("/x"))[0] == 429
        assert len(asked) == TRIES_MAX

    served(handler, story)


def test_redirects_are_not_followed() -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        raise web.HTTPFound("http://127.0.0.1:1/")

    async def story(client: Client) -> None:
        assert (await client.get("/x"))[0] == 302

    served(handler, story)


def test_a_stream_gives_its_events_in_order_and_resumes_by_id() -> None:
    resumed: list[str] = []

    async def handler(request: web.Request) -> web.StreamResponse:
        resumed.append(request.headers.get("Last-Event-ID", ""))
        answer = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await answer.prepare(request)
        await answer.write(b": ping\n\nid: 4\nevent: update\ndata: {\ndata: }\n\n")
        await answer.write(b"data: last\r\n\r\n")
        return answer

    async def story(client: Client) -> None:
        frames = [frame async for frame in client.stream("/s", last_event_id="3")]
        assert [(f.event, f.data, f.id) for f in frames] == [
            ("update", "{\n}", "4"),
            ("message", "last", ""),
        ]
        assert resumed == ["3"]

    served(handler, story)


def test_a_stream_that_is_refused_raises() -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        return web.json_response({"code": "not_found"}, status=404)

    async def story(client: Client) -> None:
        with pytest.raises(Refused) as caught:
            async for _ in client.stream("/s"):
                pass
        assert caught.value.code == "not_found"

    served(handler, story)
