"""One request handed to an ASGI application of others, its answer taken back as one of ours."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Callable, Mapping, MutableMapping
from typing import Any

import structlog

from procession.faces.endpoint import Answer, Headers, Request, Write
from procession.faces.mcp.words import STREAM_S_MAX
from procession.faces.router import AsgiApp

log = structlog.get_logger(__name__)

_OURS = frozenset({b"connection", b"content-length", b"content-type", b"date", b"server"})
"""Headers that the router, or the server under it, sets."""
_STREAMED = b"text/event-stream"


class Exchange:
    """A request whose answer an ASGI application gives, at once or as a stream.

    The application sees the body that was read and checked already. It runs in a task of its own,
    which ends with the client's connection, with the stream, or when `close` is called.
    """

    def __init__(self, app: AsgiApp, request: Request, found: Mapping[str, Any]) -> None:
        self._request = request
        self._scope = _scope_of(request) | dict(found)
        self._read = False
        self._status = 204
        self._headers: Headers = ()
        self._content_type = b"application/json"
        self._body = b""
        self._chunks: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._begun = asyncio.get_running_loop().create_future()
        self._task = asyncio.create_task(self._run(app))

    async def answer(self) -> Answer:
        """The application's answer, as soon as it has begun one; raises what it raises."""
        try:
            await self._begun
        except BaseException:
            self.close()
            raise
        body: Any = self if self._content_type.startswith(_STREAMED) else self._body
        return Answer(self._status, body, self._headers, self._content_type, STREAM_S_MAX)

    async def run(self, write: Write) -> None:
        while (chunk := await self._chunks.get()) is not None:
            await write(chunk)

    def when_done(self, told: Callable[[], None]) -> None:
        self._task.add_done_callback(lambda _: told())

    def close(self) -> None:
        self._task.cancel()
        self._chunks.put_nowait(None)

    async def _run(self, app: AsgiApp) -> None:
        try:
            await app(self._scope, self._receive, self._send)
        except Exception as error:
            if self._begun.done():
                trace = traceback.format_exc()
                log.error("call failed", request_id=self._request.request_id, trace=trace)
            else:
                self._begun.set_exception(error)
        finally:
            self._begin()
            self._chunks.put_nowait(None)

    async def _receive(self) -> MutableMapping[str, Any]:
        if not self._read:
            self._read = True
            return {"type": "http.request", "body": self._request.body, "more_body": False}
        return dict(await self._request.receive())

    async def _send(self, message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            self._status = message["status"]
            headers = [(name.lower(), value) for name, value in message.get("headers", ())]
            self._headers = tuple(pair for pair in headers if pair[0] not in _OURS)
            self._content_type = dict(headers).get(b"content-type", b"application/json")
            if self._content_type.startswith(_STREAMED):
                self._begin()
        elif self._content_type.startswith(_STREAMED):
            # What is kept for a slow client is bounded by the number of progress notes in a wait.
            self._chunks.put_nowait(message.get("body", b"") or b"")
        else:
            self._body += message.get("body", b"")

    def _begin(self) -> None:
        if not self._begun.done():
            self._begun.set_result(None)


def _scope_of(request: Request) -> dict[str, Any]:
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": request.method,
        "scheme": "http",
        "path": request.path,
        "raw_path": request.path.encode(),
        "root_path": "",
        "query_string": request.query_bytes,
        "headers": list(request.headers.items()),
        "client": (request.peer, 0),
        "server": None,
    }
