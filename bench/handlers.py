"""The handlers alone: the ASGI application called without a server or a socket.

`python -m bench.handlers [--requests N] [--runs N] [--profile]` prints microseconds of CPU a
request, the least of the runs. A POST's ledger answers at once, so that only the way in and out
is measured; a GET reads a real SQLite file.
"""

from __future__ import annotations

import argparse
import asyncio
import cProfile
import gc
import json
import pstats
import tempfile
import time
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import uvloop

from bench.wanted import TOKEN, body_text
from procession.core.process import Change, Process
from procession.engine import Engine
from procession.faces.router import App
from procession.httpd import ARRIVED
from procession.opening import open_engine
from procession.server import AllStreams, first_token, make_app, make_guard
from procession.settings import Settings
from procession.store.turn import Submitted

ENQUEUE = "/capability-requests/enqueue"
Call = Callable[[], Awaitable[None]]
Message = MutableMapping[str, Any]


class InstantLedger:
    """Answers a submission with the process as it was handed over; saves nothing."""

    async def submit(self, process: Process, make: Callable[[int], Sequence[Change]]) -> Submitted:
        return Submitted(process, False)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=3_000, help="a run")
    parser.add_argument("--runs", type=int, default=9)
    parser.add_argument("--profile", action="store_true", help="say where the time goes")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="procession-bench-") as folder:
        uvloop.run(measure(Path(folder) / "handlers.db", options))


async def measure(path: Path, options: argparse.Namespace) -> None:
    """Print what a POST and a GET cost."""
    settings = Settings(
        database=f"sqlite:///{path}", bootstrap_token=TOKEN, token_cache_ms=3_600_000
    )
    async with open_engine(settings) as engine:
        await first_token(engine)
        real = app_of(engine)
        instant = app_of(replace(engine, ledger=InstantLedger()))  # type: ignore[arg-type]
        made = Sent()
        await calling(real, "POST", ENQUEUE, body_text().encode(), made)()
        path_made = f"/processes/{json.loads(made.body)['process_id']}"
        calls = {
            "POST, ledger answers at once": calling(instant, "POST", ENQUEUE, body_text().encode()),
            "GET of a waiting process": calling(real, "GET", path_made, b""),
            "GET of a path nobody serves": calling(real, "GET", "/nothing", b""),
        }
        # As the server does: the collector leaves alone what was loaded, and comes rarely.
        gc.freeze()
        gc.set_threshold(20_000, 50, 100)
        for name, call in calls.items():
            print(f"{await least_us(call, options):6.1f} us  {name}")
            if options.profile:
                await profiled(call, options.requests)


def app_of(engine: Engine) -> App:
    return make_app(engine, make_guard(engine.settings), AllStreams(engine))


class Sent:
    """Takes what the application sends; keeps the last status and body."""

    def __init__(self) -> None:
        self.status = 0
        self.body = b""

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
        else:
            self.body = message["body"]


def calling(app: App, method: str, path: str, body: bytes, sent: Sent | None = None) -> Call:
    """A call of the application with the scope uvicorn makes of such a request from wrk."""
    headers = [
        (b"host", b"127.0.0.1:8000"),
        (b"authorization", b"Bearer " + TOKEN.encode()),
    ]
    if body:
        headers.append((b"content-type", b"application/json"))
        headers.append((b"content-length", b"%d" % len(body)))
    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "server": ("127.0.0.1", 8000),
        "client": ("127.0.0.1", 50000),
        "scheme": "http",
        "method": method,
        "root_path": "",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": headers,
        "state": {},
        "extensions": ARRIVED,
    }
    send = sent or Sent()

    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    async def call() -> None:
        await app(scope, receive, send)

    return call


async def least_us(call: Call, options: argparse.Namespace) -> float:
    """CPU of this thread a call, in microseconds: the least of the runs disturbs it least."""
    found: list[float] = []
    for _ in range(options.runs):
        began = time.thread_time()
        for _ in range(options.requests):
            await call()
        found.append((time.thread_time() - began) / options.requests * 1e6)
        await asyncio.sleep(0)
    return min(found)


async def profiled(call: Call, requests: int) -> None:
    profile = cProfile.Profile()
    profile.enable()
    for _ in range(requests):
        await call()
    profile.disable()
    pstats.Stats(profile).sort_stats("tottime").print_stats(25)


if __name__ == "__main__":
    main()
