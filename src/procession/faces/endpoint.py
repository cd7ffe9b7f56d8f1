"""A handler is `async (Request) -> Answer`, independent of ASGI; an Endpoint declares one.

The declaration is all there is: it gives the route, the token's scope, the limits, the decoding
of body and query, and the page in the OpenAPI document.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Protocol
from urllib.parse import parse_qsl

import msgspec
from msgspec import Struct

from procession.caller import Caller
from procession.core.errors import Refused
from procession.faces.strict import BodyInvalid, FieldError, explained

QUERY_FIELDS_MAX = 50
QUERY_CHARS_MAX = 8_192
STREAM_S_MAX = 60.0
"""A stream ends itself sooner; this is for a client that stopped reading."""
BODY_ARRIVED = "procession.body_arrived"
"""The ASGI extension by which a server says that the whole body is there: reading cannot wait."""

NOBODY = Caller("", 0, "", frozenset())
Headers = tuple[tuple[bytes, bytes], ...]
Write = Callable[[bytes], Awaitable[None]]
Receive = Callable[[], Awaitable[Mapping[str, Any]]]


class PathUnknown(Refused):
    """Nothing is served at this path."""

    code = "not_found"


class MethodNotAllowed(Refused):
    """This path does not know the method."""

    code = "method_not_allowed"

    def __init__(self, allow: str = "") -> None:
        super().__init__()
        self.allow = allow


class BodyTooLarge(Refused):
    """The body is larger than the server accepts."""

    code = "body_too_large"


class BodyTooSlow(Refused):
    """The body did not arrive in time."""

    code = "body_too_slow"


class RateLimited(Refused):
    """The token asks too often."""

    code = "rate_limited"


class Unexpected(Refused):
    """The server failed; the log has the reason under this request id."""

    code = "unexpected"


class Streamed(Protocol):
    """A body that is written over time."""

    async def run(self, write: Write) -> None:
        """Write until the stream ends; `write` waits while the client does not read."""
        ...

    def close(self) -> None:
        """The client has gone or the server stops: `run` is to end now. May come twice."""
        ...


class Answer(Struct, frozen=True):
    """What a handler answers; a Struct body is encoded as JSON."""

    status: int = 200
    body: Any = b""
    """bytes, a Struct, or a Streamed."""
    headers: Headers = ()
    content_type: bytes = b"application/json"
    stream_s_max: float = STREAM_S_MAX
    """How long a Streamed body may be written."""


class Load:
    """What a server process is doing: requests in work, requests that only wait, answers given.

    `answered` counts by method, path as declared, and status.
    """

    __slots__ = ("answered", "count", "waiting")

    def __init__(self) -> None:
        self.count = 0
        self.waiting = 0
        self.answered: dict[tuple[str, str, int], int] = {}


class Parked:
    """While entered, the request only waits and leaves its place among those in work."""

    __slots__ = ("_load",)

    def __init__(self, load: Load) -> None:
        self._load = load

    def __enter__(self) -> None:
        self._load.count -= 1
        self._load.waiting += 1

    def __exit__(self, *_: object) -> None:
        self._load.count += 1
        self._load.waiting -= 1


class Request(Struct, eq=False):
    """One request. `body` is bytes; `message` the decoded body; `caller` who asks."""

    method: str
    path: str
    params: dict[str, str]
    """The values of the path's parameters."""
    headers: Mapping[bytes, bytes]
    query_bytes: bytes
    request_id: str
    peer: str
    load: Load
    receive: Receive
    body: bytes = b""
    caller: Caller = NOBODY
    """Set before the handler runs wherever the endpoint has a scope."""
    message: Any = None
    """The decoded body, of the endpoint's `body` type."""
    canonical: bytes = b""
    """The body with sorted keys and without blanks: equal for equal bodies."""
    query: Any = None
    """The decoded query, of the endpoint's `query` type."""

    def header(self, name: bytes) -> str:
        """The value of the header with this lower-case name, empty when absent."""
        value = self.headers.get(name)
        return "" if value is None else value.decode("latin-1")

    def query_words(self) -> dict[str, str]:
        """The query's names and values; of a repeated name the last. Raises BodyInvalid."""
        return _query_words(self.query_bytes) if self.query_bytes else {}

    def parked(self) -> Parked:
        """Use around a wait: `with request.parked(): await …`."""
        return Parked(self.load)

    async def left(self) -> None:
        """Return when the client has gone; only once the body was read."""
        while (await self.receive())["type"] != "http.disconnect":
            pass


Handler = Callable[[Request], Awaitable[Answer]]
Refuse = Callable[[Exception], Answer]
Admit = Callable[[Request, str], Awaitable[Caller]]
After = Callable[[Request, Answer, int], Awaitable[None]]


class Endpoint(Struct, frozen=True, kw_only=True):
    """One method on one path.

    `scope` None needs no token. `answer` is the type of a success; `errors` the statuses that
    stand in the contract. `query` is a type whose fields all have defaults. `body_bytes_max`
    overrides the setting.
    """

    method: str
    path: str
    handler: Handler
    summary: str
    body: Any = None
    query: Any = None
    answer: Any = None
    content_type: str = "application/json"
    scope: str | None = None
    success: tuple[int, ...] = (200,)
    errors: tuple[int, ...] = ()
    body_bytes_max: int | None = None
    body_optional: bool = False
    """No body at all means an empty object."""


class Face(Struct, frozen=True, kw_only=True):
    """A contract: its endpoints, who may call them, and how it says that something is refused.

    `refuse` takes a Refused or a CapabilityRefusal and must know them all. A path nobody serves
    is answered by the face with the longest `prefix` of it. `after` is told of every answer before
    it is sent, with the milliseconds it took; it must not raise.
    """

    name: str
    endpoints: Sequence[Endpoint]
    refuse: Refuse
    admit: Admit
    prefix: str = ""
    after: After | None = None


def decoded_query(words: dict[str, str], shape: Any) -> Any:
    """The query as `shape`. Raises BodyInvalid with the name of each wrong parameter."""
    try:
        return msgspec.convert(words, shape, strict=False)
    except msgspec.ValidationError as refusal:
        raise BodyInvalid(explained(shape, words, str(refusal), strict=False)) from None


def _query_words(raw: bytes) -> dict[str, str]:
    if len(raw) > QUERY_CHARS_MAX:
        raise BodyInvalid([FieldError("", f"the query has over {QUERY_CHARS_MAX} characters")])
    try:
        pairs = parse_qsl(
            raw.decode("ascii"),
            keep_blank_values=True,
            errors="strict",
            max_num_fields=QUERY_FIELDS_MAX,
        )
    except ValueError:
        raise BodyInvalid([FieldError("", "the query is not readable as UTF-8 pairs")]) from None
    for name, value in pairs:
        if "\0" in name or "\0" in value:
            raise BodyInvalid([FieldError("/" + name, "holds a NUL character")])
    return dict(pairs)
