"""The real server on a free port, in a thread of its own, and a plain client that hides nothing."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import uvloop

from procession import opening, server, tokens
from procession.engine import Engine
from procession.faces.stream import Streams
from procession.httpd import HttpServer, make_config
from procession.settings import Settings
from procession.store.turn import Turn

T = TypeVar("T")
TIMEOUT_S = 30.0
OURS = "ours-" + "a" * 40
THEIRS = "theirs-" + "b" * 40
READER = "reader-" + "c" * 40


class Reply(NamedTuple):
    """An answer as it came over the wire; header names in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Living:
    """A running server: `call` runs a coroutine on its loop."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._ready = threading.Event()
        self._stop: Callable[[], None] = lambda: None
        self.failed: BaseException | None = None
        self.port = 0
        self.engine: Engine
        self.streams: Streams
        self.app: Any
        self._loop: asyncio.AbstractEventLoop
        self._thread = threading.Thread(target=self._run, name="living-server")

    def start(self) -> None:
        self._thread.start()
        assert self._ready.wait(TIMEOUT_S)
        if self.failed is not None:
            raise self.failed

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._stop)
        self._thread.join(TIMEOUT_S)
        assert not self._thread.is_alive()
        if self.failed is not None:
            raise self.failed

    def call(self, make: Callable[[Engine], Awaitable[T]]) -> T:
        async def run() -> T:
            return await make(self.engine)

        return asyncio.run_coroutine_threadsafe(run(), self._loop).result(TIMEOUT_S)

    def _run(self) -> None:
        try:
            uvloop.run(self._serve())
        except BaseException as reason:
            self.failed = reason
        finally:
            self._ready.set()

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        async with opening.open_engine(self._settings) as engine:
            self.engine = engine
            await self._make_tokens()
            guard = server.make_guard(self._settings)
            self.all_streams = server.AllStreams(engine)
            self.streams = self.all_streams.execution
            self.app = server.make_app(engine, guard, self.all_streams)
            config = make_config(
                server.open_to_origins(self.app, self._settings),
                head_ms_max=self._settings.body_ms_max,
                drain_ms=self._settings.drain_ms,
                connections_max=self._settings.connections_max,
            )
            listening = server.listen(self._settings)
            self.port = listening.getsockname()[1]
            http = HttpServer(config, self._ready.set)

            def stop() -> None:
                engine.wakeup.close()
                self.all_streams.close_all()
                http.stop()

            self._stop = stop
            async with server.in_background(engine, server.make_sender(engine, guard)):
                await http.serve(sockets=[listening])

    async def _make_tokens(self) -> None:
        async def run(turn: Turn) -> None:
            for token, tenant, scopes in (
                (OURS, "ours", list(tokens.SCOPES)),
                (THEIRS, "theirs", list(tokens.SCOPES)),
                (READER, "ours", ["execution:read"]),
            ):
                await tokens.create_token(
                    turn, token=token, token_id=token[:6], tenant=tenant, name="t", scopes=scopes
                )

        await self.engine.ledger.errand(run)


class Api:
    """Calls a server with one token over one kept-open connection."""

    def __init__(self, port: int, token: str | None = OURS) -> None:
        self.port = port
        self.token = token
        self._others: list[Api] = []
        self._connection = HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_S)

    def as_(self, token: str | None) -> Api:
        """The same server with another token; closed with this one."""
        other = Api(self.port, token)
        self._others.append(other)
        return other

    def send(self, method: str, path: str, body: bytes | None = None, **headers: str) -> Reply:
        """Header names take `_` for `-`."""
        response = self.open(method, path, body, **headers)
        return Reply(response.status, _lower(response), response.read())

    def open(
        self, method: str, path: str, body: bytes | None = None, **headers: str
    ) -> HTTPResponse:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        if self.token is not None:
            named.setdefault("Authorization", f"Bearer {self.token}")
        self._connection.request(method, path, body, named)
        return self._connection.getresponse()

    def get(self, path: str, **headers: str) -> Reply:
        return self.send("GET", path, **headers)

    def post(self, path: str, message: Any = None, **headers: str) -> Reply:
        return self.send("POST", path, json.dumps(message or {}).encode(), **headers)

    def patch(self, path: str, message: Any, **headers: str) -> Reply:
        return self.send("PATCH", path, json.dumps(message).encode(), **headers)

    def close(self) -> None:
        self._connection.close()
        for other in self._others:
            other.close()


def _lower(response: HTTPResponse) -> dict[str, str]:
    return {name.lower(): value for name, value in response.getheaders()}


@contextmanager
def living(folder: Path, **settings: Any) -> Iterator[Living]:
    """A server on a database of its own; callbacks may reach this machine."""
    values: dict[str, Any] = {
        "database": f"sqlite:///{folder / 'faces.db'}",
        "port": 0,
        "callback_allow": "127.0.0.0/8",
        "drain_ms": 1_000,
    }
    one = Living(Settings(**(values | settings)))
    one.start()
    try:
        yield one
    finally:
        one.stop()


def until(true: Callable[[], bool], within_s: float = 10.0) -> None:
    """Wait for a condition; fails when it does not come true in time."""
    ends = time.monotonic() + within_s
    while not true():
        assert time.monotonic() < ends, "the condition did not come true in time"
        time.sleep(0.01)
