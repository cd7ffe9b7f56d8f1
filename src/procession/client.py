"""An HTTP client of the server, shared by the agent, the command line and users."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from types import TracebackType
from typing import Any, Literal, TypeVar

import aiohttp
import msgspec
from msgspec import Struct

from procession.protocol import PATH

CONNECTIONS_MAX = 128
CONNECT_TIMEOUT_S = 5.0
TIMEOUT_S = 30.0
TRIES_MAX = 4
RETRY_WAIT_S_MAX = 10.0
ANSWER_BYTES_MAX = 64 * 1024 * 1024
STREAM_LINE_BYTES_MAX = 4 * 1024 * 1024
DETAIL_CHARS_MAX = 500

T = TypeVar("T")
Why = Literal["refused", "timeout", "broken"]
Verb = Literal["register", "claim", "heartbeat", "report", "finish", "drain"]
Answer = tuple[int, Mapping[str, str], Any]

_json = msgspec.json.Encoder()


class Unreachable(Exception):
    """The server could not be reached; `why` tells a refused connection from silence."""

    def __init__(self, why: Why, detail: str) -> None:
        super().__init__(f"{why}: {detail}")
        self.why: Why = why


class Refused(Exception):
    """The server refused the request."""

    def __init__(
        self, status: int, code: str, message: str, retry_after_s: float | None = None
    ) -> None:
        super().__init__(f"{status} {code}: {message}")
        self.status = status
        self.code = code
        self.message = message
        self.retry_after_s = retry_after_s


class Frame(Struct, frozen=True):
    """One server-sent event."""

    event: str
    data: str
    id: str = ""


class Piece(Struct, frozen=True):
    """Some bytes of an uploaded file, with the size and hash of all of it."""

    data: bytes
    bytes_total: int
    sha256: str


class Client:
    """Calls a server with one token over kept-open connections. Use as `async with`.

    Every call raises Unreachable when no answer came; `worker` raises Refused for any status
    but 2xx, the others give the status back.
    """

    def __init__(self, url: str, token: str) -> None:
        self._url = url.rstrip("/")
        self._headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Client:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=CONNECTIONS_MAX, keepalive_timeout=30),
            headers=self._headers,
            trust_env=False,
            auto_decompress=True,
            cookie_jar=aiohttp.DummyCookieJar(),
            read_bufsize=STREAM_LINE_BYTES_MAX,
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._session:
            await self._session.close()

    async def worker(
        self, verb: Verb, message: Struct, answer_type: type[T], timeout_s: float = TIMEOUT_S
    ) -> T:
        """Say one verb of the worker protocol, once. Raises Unreachable, Refused."""
        body = _json.encode(message)
        status, headers, answer = await self._send("POST", f"{PATH}/{verb}", body, timeout_s)
        if not 200 <= status < 300:
            raise _refused(status, headers, answer)
        try:
            return msgspec.json.decode(answer or b"{}", type=answer_type)
        except msgspec.MsgspecError as reason:
            raise Unreachable("broken", f"{verb} answered nonsense: {reason}") from None

    async def upload(self, upload_id: str, offset: int, timeout_s: float = TIMEOUT_S) -> Piece:
        """A part of an uploaded file from this byte on. Raises Unreachable, Refused."""
        path = f"/api/uploads/{upload_id}/content?offset={offset}"
        status, headers, data = await self._send("GET", path, None, timeout_s)
        if status != 200:
            raise _refused(status, headers, data)
        try:
            total = int(headers["X-Upload-Bytes"])
            return Piece(data, total, headers["X-Upload-Sha256"])
        except (KeyError, ValueError):
            raise Unreachable("broken", "an upload without its size") from None

    async def get(self, path: str, *, timeout_s: float = TIMEOUT_S) -> Answer:
        """Read; a 503 or 429 is tried again as told by Retry-After, 4 times at most."""
        return await self._patiently("GET", path, None, timeout_s)

    async def delete(self, path: str, *, timeout_s: float = TIMEOUT_S) -> Answer:
        """Delete; tried again like `get`."""
        return await self._patiently("DELETE", path, None, timeout_s)

    async def post(
        self, path: str, json: Any = None, *, timeout_s: float = TIMEOUT_S, idempotent: bool = False
    ) -> Answer:
        """Send JSON; tried again only where the caller says a repeat does no harm."""
        return await self._written("POST", path, json, timeout_s, idempotent)

    async def patch(
        self, path: str, json: Any = None, *, timeout_s: float = TIMEOUT_S, idempotent: bool = False
    ) -> Answer:
        """Send JSON changes; tried again like `post`."""
        return await self._written("PATCH", path, json, timeout_s, idempotent)

    async def stream(self, path: str, *, last_event_id: str = "") -> AsyncIterator[Frame]:
        """Server-sent events until the server ends the stream. Raises Unreachable, Refused."""
        headers = {"Accept": "text/event-stream"}
        if last_event_id:
            headers["Last-Event-ID"] = last_event_id
        timeout = aiohttp.ClientTimeout(sock_connect=CONNECT_TIMEOUT_S, sock_read=120)
        try:
            async with self._open.get(
                self._url + path, headers=headers, timeout=timeout
            ) as response:
                if response.status != 200:
                    body = await response.read()
                    raise _refused(response.status, response.headers, body)
                async for frame in _frames(response.content):
                    yield frame
        except (aiohttp.ClientError, TimeoutError, OSError) as reason:
            raise _unreachable(reason) from reason

    @property
    def _open(self) -> aiohttp.ClientSession:
        assert self._session, "used outside of its `async with`"
        return self._session

    async def _written(
        self, method: str, path: str, json: Any, timeout_s: float, idempotent: bool
    ) -> Answer:
        body = _json.encode({} if json is None else json)
        if idempotent:
            return await self._patiently(method, path, body, timeout_s)
        return _decoded(await self._send(method, path, body, timeout_s))

    async def _patiently(
        self, method: str, path: str, body: bytes | None, timeout_s: float
    ) -> Answer:
        for tries in range(1, TRIES_MAX + 1):
            answer = await self._send(method, path, body, timeout_s)
            wait_s = _retry_after_s(answer[1])
            if answer[0] not in {429, 503} or tries == TRIES_MAX or wait_s is None:
                break
            await asyncio.sleep(min(wait_s, RETRY_WAIT_S_MAX))
        return _decoded(answer)

    async def _send(
        self, method: str, path: str, body: bytes | None, timeout_s: float
    ) -> tuple[int, Mapping[str, str], bytes]:
        timeout = aiohttp.ClientTimeout(total=timeout_s, sock_connect=CONNECT_TIMEOUT_S)
        try:
            async with self._open.request(
                method, self._url + path, data=body, timeout=timeout, allow_redirects=False
            ) as response:
                answer = await response.content.read(ANSWER_BYTES_MAX)
                while more := await response.content.read(ANSWER_BYTES_MAX):
                    answer += more
                    if len(answer) > ANSWER_BYTES_MAX:
                        raise Unreachable("broken", f"an answer over {ANSWER_BYTES_MAX} bytes")
                return response.status, response.headers, answer
        except (aiohttp.ClientError, TimeoutError, OSError) as reason:
            raise _unreachable(reason) from reason


def _unreachable(reason: Exception) -> Unreachable:
    if isinstance(reason, aiohttp.ClientConnectorError):
        refused = isinstance(reason.os_error, ConnectionRefusedError)
        return Unreachable("refused" if refused else "broken", str(reason))
    if isinstance(reason, TimeoutError):
        return Unreachable("timeout", str(reason) or "no answer in time")
    return Unreachable("broken", str(reason) or type(reason).__name__)


def _retry_after_s(headers: Mapping[str, str]) -> float | None:
    try:
        return max(0.0, float(headers.get("Retry-After", "")))
    except ValueError:
        return None


def _decoded(answer: tuple[int, Mapping[str, str], bytes]) -> Answer:
    status, headers, body = answer
    try:
        return status, headers, msgspec.json.decode(body) if body else None
    except msgspec.MsgspecError:
        return status, headers, body.decode("utf-8", "replace")


def _refused(status: int, headers: Mapping[str, str], body: bytes) -> Refused:
    _, _, said = _decoded((status, headers, body))
    problem = said if isinstance(said, dict) else {"detail": str(said)[:DETAIL_CHARS_MAX]}
    message = problem.get("detail") or problem.get("error") or problem.get("title") or ""
    return Refused(status, str(problem.get("code", "")), str(message), _retry_after_s(headers))


async def _frames(lines: aiohttp.StreamReader) -> AsyncIterator[Frame]:
    fields: dict[str, list[str]] = {}
    async for raw in lines:
        line = raw.decode("utf-8", "replace").rstrip("\r\n")
        if line:
            name, _, value = line.partition(":")
            fields.setdefault(name, []).append(value.removeprefix(" "))
        else:
            if "data" in fields:
                yield Frame(
                    event="".join(fields.get("event", ["message"])),
                    data="\n".join(fields["data"]),
                    id="".join(fields.get("id", [""])),
                )
            fields = {}
