"""One POST: out it goes, and whatever happens becomes an `Answer`."""

import asyncio
from collections.abc import Callable

from aiohttp import BytesPayload, ClientError, ClientResponse, ClientSession

from procession.webhooks.delivery import Answer, retry_after_ms
from procession.webhooks.guard import Target, UrlRefused

USER_AGENT = "phonefarm-callback/1.0"
ERROR_CHARS_MAX = 500

_HEADERS = {
    "Content-Type": "application/json",
    "User-Agent": USER_AGENT,
    "Accept-Encoding": "identity",
}


async def post(
    session: ClientSession,
    check: Callable[[str], Target],
    url: str,
    *,
    headers: dict[str, str],
    body: bytes,
    now_ms: int,
    answer_bytes_max: int,
) -> Answer:
    """Send `body` once. Never raises for what the other side or the network does.

    `check` says what the URL names, or raises UrlRefused, which is an answer too.

    The status decides: once it has arrived, a body that is cut off is noted but changes nothing.
    At most `answer_bytes_max` bytes of the answer are read; then the connection is closed.
    """
    loop = asyncio.get_running_loop()
    begun_s = loop.time()
    status: int | None = None
    error: str | None = None
    asked_ms: int | None = None
    head = bytearray()
    try:
        target = check(url)
        async with session.post(
            target.url, data=BytesPayload(body), headers=_HEADERS | headers, allow_redirects=False
        ) as response:
            status = response.status
            asked_ms = retry_after_ms(response.headers.get("Retry-After"), now_ms)
            await _read(response, head, answer_bytes_max)
    except TimeoutError:
        error = "no complete answer in time"
    except (UrlRefused, ClientError, OSError) as problem:
        error = f"{type(problem).__name__}: {problem}"[:ERROR_CHARS_MAX]
    duration_ms = round((loop.time() - begun_s) * 1_000)
    return Answer(status, error, duration_ms, bytes(head), asked_ms)


async def _read(response: ClientResponse, head: bytearray, bytes_max: int) -> None:
    """Fill `head`; an answer that is longer costs its connection, which is not reused half-read."""
    content = response.content
    while len(head) < bytes_max and not content.at_eof():
        chunk = await content.read(bytes_max - len(head))
        if not chunk:
            return
        head += chunk
