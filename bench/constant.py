"""The ceiling: the same stack as the product, answering a constant of the real answers' size.

Plain ASGI and msgspec under the product's own HTTP server (uvicorn): a POST's body is read and
validated against the contract's types, then thrown away. No token is checked, nothing is kept.
`BENCH_ANSWERS` names a JSON file with the real answers' bodies: `{"post": text, "get": text}`.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import uvloop
from msgspec import Meta, Raw, Struct

from procession.httpd import BACKLOG, HttpServer, make_config

Text = Annotated[str, Meta(min_length=1, max_length=200)]


class Target(Struct):
    routing: Literal["direct", "queue", "group"]
    account_id: str | None = None
    phone_id: str | None = None


class Callback(Struct):
    url: str
    metadata: Raw = Raw(b"{}")


class RequestedBy(Struct):
    system: Text
    user: str | None = None
    metadata: Raw = Raw(b"{}")


class Enqueue(Struct):
    request_id: Text
    capability: Text
    mode: Literal["manual", "unattended"]
    target: Target
    inputs: Raw
    callback: Callback
    requested_by: RequestedBy


class Answers(Struct):
    post: str
    get: str


_answers = msgspec.json.decode(Path(os.environ["BENCH_ANSWERS"]).read_bytes(), type=Answers)
_decode = msgspec.json.Decoder(Enqueue).decode


def _start(status: int, body: bytes) -> dict[str, Any]:
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"x-request-id", b"00000000-0000-0000-0000-000000000000"),
    ]
    return {"type": "http.response.start", "status": status, "headers": headers}


_POST = {"type": "http.response.body", "body": _answers.post.encode()}
_GET = {"type": "http.response.body", "body": _answers.get.encode()}
_POST_START = _start(202, _answers.post.encode())
_GET_START = _start(200, _answers.get.encode())


async def app(
    scope: dict[str, Any],
    receive: Callable[[], Awaitable[dict[str, Any]]],
    send: Callable[[dict[str, Any]], Awaitable[None]],
) -> None:
    """An ASGI application without lifespan."""
    if scope["type"] != "http":
        return
    if scope["method"] == "GET":
        await send(_GET_START)
        await send(_GET)
        return
    body = b""
    more = True
    while more:
        message = await receive()
        body += message["body"]
        more = message.get("more_body", False)
    _decode(body)
    await send(_POST_START)
    await send(_POST)


async def serve(port: int) -> None:
    """With the product's own HTTP server, so that only what lies behind it differs."""
    config = make_config(app, head_ms_max=10_000, drain_ms=1_000, connections_max=20_000)
    server = HttpServer(config, lambda: None)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, server.stop)
    await server.serve(sockets=[socket.create_server(("127.0.0.1", port), backlog=BACKLOG)])


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
