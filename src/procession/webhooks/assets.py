"""Does an asset exist? Asked before work that needs it is accepted."""

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass

from aiohttp import ClientError, ClientSession
from yarl import URL

from procession.core.errors import Invalid
from procession.webhooks.guard import AddressGuard
from procession.webhooks.post import ERROR_CHARS_MAX, USER_AGENT
from procession.webhooks.session import open_session

TOTAL_MS = 5_000
CONNECT_MS = 3_000
_HEAD_UNKNOWN = (405, 501)
_TYPE_CHARS_MAX = 200
_RANGE = re.compile(r"bytes [0-9]+-[0-9]+/([0-9]{1,18})")
_LENGTH = re.compile(r"[0-9]{1,18}")


class AssetRefused(Invalid):
    """The asset cannot be fetched; `reason` says why."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(field, f"the asset cannot be fetched: {reason}")
        self.reason = reason


@dataclass(frozen=True, slots=True)
class AssetInfo:
    """What the asset's server said; None where it said nothing."""

    status: int
    content_type: str | None
    size_bytes: int | None


async def head_asset(guard: AddressGuard, url: str, field: str = "url") -> AssetInfo:
    """Ask for an asset's headers; a server without HEAD is asked for its first byte.

    Takes at most `TOTAL_MS`; redirects are not followed. Raises UrlRefused when the guard does
    not let `url` through, AssetRefused for everything but a 2xx answer.
    """
    target = guard.check_url(url, field)
    try:
        async with asyncio.timeout(TOTAL_MS / 1_000):
            info = await _look(guard, target.url)
    except TimeoutError:
        raise AssetRefused(field, f"no answer within {TOTAL_MS} ms") from None
    except (ClientError, OSError) as problem:
        reason = f"{type(problem).__name__}: {problem}"[:ERROR_CHARS_MAX]
        raise AssetRefused(field, reason) from problem
    if not 200 <= info.status <= 299:
        raise AssetRefused(field, f"the server answered {info.status}")
    return info


async def _look(guard: AddressGuard, url: URL) -> AssetInfo:
    async with open_session(guard, total_ms=TOTAL_MS, connect_ms=CONNECT_MS) as session:
        info = await _ask(session, "HEAD", url)
        if info.status in _HEAD_UNKNOWN:
            info = await _ask(session, "GET", url)
    return info


async def _ask(session: ClientSession, method: str, url: URL) -> AssetInfo:
    """Read the headers only; the connection is closed with the session, body or no body."""
    headers = {"User-Agent": USER_AGENT, "Accept-Encoding": "identity"}
    if method == "GET":
        headers["Range"] = "bytes=0-0"
    async with session.request(method, url, headers=headers, allow_redirects=False) as response:
        kind = response.headers.get("Content-Type")
        size = _size(response.status, response.headers)
        if method == "GET":
            response.close()
        return AssetInfo(response.status, kind and kind[:_TYPE_CHARS_MAX], size)


def _size(status: int, headers: Mapping[str, str]) -> int | None:
    """Return the whole asset's size: of a part only Content-Range tells it."""
    if status == 206:
        match = _RANGE.fullmatch(headers.get("Content-Range", ""))
        return int(match[1]) if match else None
    match = _LENGTH.fullmatch(headers.get("Content-Length", ""))
    return int(match[0]) if match else None
