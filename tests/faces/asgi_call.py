"""Drives an ASGI application without a server, one request at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, MutableMapping
from typing import Any, NamedTuple
from urllib.parse import unquote

from procession.faces.router import App


class Said(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes


def call(
    app: App,
    method: str,
    target: str,
    *,
    body: Iterable[bytes] = (b"",),
    headers: Iterable[tuple[str, str]] = (),
) -> Said:
    """`body` in the pieces it arrives in; after the last piece the client waits."""
    return asyncio.run(called(app, method, target, body=body, headers=headers))


async def called(
    app: App,
    method: str,
    target: str,
    *,
    body: Iterable[bytes] = (b"",),
    headers: Iterable[tuple[str, str]] = (),
    complete: bool = True,
) -> Said:
    path, _, query = target.partition("?")
    pieces = list(body)
    sent: list[MutableMapping[str, Any]] = []

    async def receive() -> MutableMapping[str, Any]:
        if pieces:
            piece = pieces.pop(0)
            more = bool(pieces) or not complete
            return {"type": "http.request", "body": piece, "more_body": more}
        await asyncio.Event().wait()
        raise AssertionError

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": method,
        "path": unquote(path),
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "headers": [(name.lower().encode(), value.encode()) for name, value in headers],
        "client": ("127.0.0.1", 1),
    }
    await app(scope, receive, send)
    start = next(message for message in sent if message["type"] == "http.response.start")
    named = {name.decode(): value.decode() for name, value in start["headers"]}
    return Said(start["status"], named, b"".join(one.get("body", b"") for one in sent))
