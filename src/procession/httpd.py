"""uvicorn with a deadline for request heads, and signals left to whoever starts it."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any, cast

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from procession.faces.endpoint import BODY_ARRIVED

KEEP_ALIVE_S = 75
BACKLOG = 4_096
ARRIVED: dict[str, dict[object, object]] = {BODY_ARRIVED: {}}


class JoiningTransport:
    """A transport that hands on at the end of a tick what was written in it, as one piece.

    An answer is written in two, head and body; each write on its own is a system call.
    """

    __slots__ = ("_loop", "_parts", "_transport")

    def __init__(self, transport: Any, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._parts: list[bytes] = []

    def write(self, data: bytes) -> None:
        if not self._parts:
            self._loop.call_soon(self._flush)
        self._parts.append(data)

    def close(self) -> None:
        self._flush()
        self._transport.close()

    def _flush(self) -> None:
        parts, self._parts = self._parts, []
        if parts and not self._transport.is_closing():
            self._transport.write(b"".join(parts))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


def bounded_protocol(head_ms_max: int) -> type[HttpToolsProtocol]:
    """uvicorn's protocol, but a head that does not arrive in time closes the connection.

    Nearly every head, and most bodies, arrive in one piece: a timer is set only when a piece has
    left a head unfinished, and the scope says when the body is all there.
    """

    class BoundedProtocol(HttpToolsProtocol):
        _head_open = True
        _head_timer: asyncio.TimerHandle | None = None

        def connection_made(self, transport: Any) -> None:
            joining = JoiningTransport(transport, self.loop)
            super().connection_made(cast(asyncio.Transport, joining))
            self._await_head()

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            if self._head_open and self._head_timer is None:
                self._await_head()

        def on_message_begin(self) -> None:
            super().on_message_begin()
            self._head_open = True

        def on_headers_complete(self) -> None:
            self._head_open = False
            if self._head_timer is not None:
                self._forget_timer(self._head_timer)
            super().on_headers_complete()

        def on_message_complete(self) -> None:
            self.scope["extensions"] = ARRIVED
            super().on_message_complete()

        def connection_lost(self, exc: Exception | None) -> None:
            if self._head_timer is not None:
                self._forget_timer(self._head_timer)
            super().connection_lost(exc)

        def _await_head(self) -> None:
            self._head_timer = self.loop.call_later(head_ms_max / 1000, self._head_is_late)

        def _forget_timer(self, timer: asyncio.TimerHandle) -> None:
            timer.cancel()
            self._head_timer = None

        def _head_is_late(self) -> None:
            self._head_timer = None
            if not self.transport.is_closing():
                self.transport.close()

    return BoundedProtocol


class HttpServer(uvicorn.Server):
    """A server that says when it is ready, and stops when told to, not by itself at a signal."""

    def __init__(self, config: uvicorn.Config, on_started: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_started = on_started

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._on_started()

    def stop(self) -> None:
        """Take no more connections, finish what is under way; a second call waits for nothing."""
        self.force_exit = self.should_exit
        self.should_exit = True

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield


def make_config(
    app: Any, *, head_ms_max: int, drain_ms: int, connections_max: int
) -> uvicorn.Config:
    """The configuration of one server process."""
    return uvicorn.Config(
        app,
        http=bounded_protocol(head_ms_max),
        lifespan="off",
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=False,
        backlog=BACKLOG,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=max(1, drain_ms // 1000),
        limit_concurrency=connections_max,
    )
