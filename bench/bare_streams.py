"""The bare event stream: Starlette alone, a generator a stream, a constant once a second."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.routing import Route

PERIOD_S = 1.0
FILLER = "x" * 420
"""As long as the rest of a full state of ours."""


async def _updates() -> AsyncGenerator[bytes, None]:
    version = 0
    while True:
        await asyncio.sleep(PERIOD_S)
        version += 1
        yield (
            f'id: {version}\ndata: {{"current_step":"at {time.time():.6f}","x":"{FILLER}"}}\n\n'
        ).encode()


async def stream(_: Request) -> StreamingResponse:
    return StreamingResponse(_updates(), media_type="text/event-stream")


async def healthz(_: Request) -> PlainTextResponse:
    return PlainTextResponse("ok")


app = Starlette(routes=[Route("/stream", stream), Route("/healthz", healthz)])
