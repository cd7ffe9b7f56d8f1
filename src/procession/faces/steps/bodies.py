"""Bodies that are read as they come: files, and forms that a page posts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from procession.faces.endpoint import BodyTooSlow, Request

SILENCE_S_MAX = 20.0
WHOLE_S_MAX = 1_800.0


async def chunks_of(request: Request) -> AsyncIterator[bytes]:
    """The body's parts. Raises BodyTooSlow."""
    loop = asyncio.get_running_loop()
    ends_s = loop.time() + WHOLE_S_MAX
    more = True
    while more:
        try:
            async with asyncio.timeout(min(SILENCE_S_MAX, ends_s - loop.time())):
                message = await request.receive()
        except TimeoutError:
            raise BodyTooSlow from None
        if message["type"] == "http.disconnect":
            raise BodyTooSlow("the client went away before its body had arrived")
        yield message.get("body", b"")
        more = message.get("more_body", False)
