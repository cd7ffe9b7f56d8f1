"""From an ASGI scope to a handler and back: routes, limits, request ids, errors, nothing else."""

from __future__ import annotations

import asyncio
import re
import secrets
import time
import traceback
from collections.abc import Awaitable, Callable, Iterable, MutableMapping, Sequence
from itertools import count
from typing import Any
from urllib.parse import unquote

import structlog
from msgspec import Struct
from msgspec.json import Encoder

from procession.capabilities.errors import CapabilityRefusal
from procession.core.errors import Overloaded, Refused
from procession.faces.endpoint import (
    BODY_ARRIVED,
    Answer,
    BodyTooLarge,
    BodyTooSlow,
    Endpoint,
    Face,
    Load,
    MethodNotAllowed,
    Parked,
    PathUnknown,
    Request,
    Unexpected,
    decoded_query,
)
from procession.faces.strict import StrictDecoder
from procession.settings import Settings

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
AsgiApp = Callable[[Scope, Receive, Send], Awaitable[None]]

log = structlog.get_logger(__name__)
_encode = Encoder().encode
_SANE_ID = re.compile(rb"[A-Za-z0-9._:/+=-]{1,128}")


class Route(Struct, frozen=True):
    """An endpoint with its face, its decoder, and what an empty query means."""

    endpoint: Endpoint
    face: Face
    decoder: Any
    no_query: Any


class Node:
    """One segment of the paths that are served."""

    __slots__ = ("children", "methods", "name", "param")

    def __init__(self) -> None:
        self.children: dict[str, Node] = {}
        self.param: Node | None = None
        self.name = ""
        self.methods: dict[str, Route] = {}


class Router:
    """Finds the route of a path by dictionary look-ups; a fixed segment wins over a parameter."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self._root = Node()
        self._fixed: dict[str, Node] = {}
        for route in routes:
            self._add(route)

    def find(self, path: str) -> tuple[Node | None, dict[str, str]]:
        """The node of a path and the values of its parameters; None where nothing is served."""
        fixed = self._fixed.get(path)
        if fixed is not None:
            return fixed, {}
        node, params = self._root, {}
        for segment in path.split("/")[1:]:
            child = node.children.get(segment)
            if child is None:
                child = node.param
                if child is None or not segment:
                    return None, {}
                params[child.name] = segment
            node = child
        return (node if node.methods else None), params

    def _add(self, route: Route) -> None:
        node = self._root
        for segment in route.endpoint.path.split("/")[1:]:
            if segment.startswith("{"):
                node.param = node.param or Node()
                node = node.param
                assert node.name in ("", segment[1:-1]), route.endpoint.path
                node.name = segment[1:-1]
            else:
                node = node.children.setdefault(segment, Node())
        assert route.endpoint.method not in node.methods, route.endpoint.path
        node.methods[route.endpoint.method] = route
        if "{" not in route.endpoint.path:
            self._fixed[route.endpoint.path] = node


class App:
    """The ASGI application of some faces.

    Every answer has an `X-Request-Id`. What a handler raises is said in its face's own words;
    an exception nobody expected is logged under the request id and answered 500.
    """

    def __init__(
        self,
        faces: Sequence[Face],
        settings: Settings,
        *,
        load: Load | None = None,
        lifespan: AsgiApp | None = None,
    ) -> None:
        self.load = load or Load()
        self._faces = sorted(faces, key=lambda face: len(face.prefix), reverse=True)
        self._router = Router(
            _route(endpoint, face) for face in faces for endpoint in face.endpoints
        )
        self._settings = settings
        self._lifespan = lifespan
        self._boot = secrets.token_hex(6)
        self._numbers = count(1)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            if scope["type"] == "lifespan" and self._lifespan is not None:
                await self._lifespan(scope, receive, send)
            return
        self.load.count += 1
        try:
            await self._serve(scope, receive, send)
        finally:
            self.load.count -= 1

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = dict(scope["headers"])
        method = scope["method"]
        path, node, params = self._find(scope)
        client = scope["client"]
        request = Request(
            method,
            path,
            params,
            headers,
            scope["query_string"],
            self._request_id(headers.get(b"x-request-id")),
            client[0] if client else "",
            self.load,
            receive,
        )
        face, known = self._faces[-1], ("other", "unknown")
        began_s = time.monotonic()
        try:
            if node is None:
                face = self._face_of(path)
                raise PathUnknown
            route = node.methods.get("GET" if method == "HEAD" else method)
            if route is None:
                face = next(iter(node.methods.values())).face
                raise MethodNotAllowed(_allow(node))
            face, known = route.face, (method, route.endpoint.path)
            answer = await self._answer(route, request, scope)
        except (Refused, CapabilityRefusal) as refused:
            answer = face.refuse(refused)
        except Exception:
            trace = traceback.format_exc()
            log.error("request failed", request_id=request.request_id, path=known[1], trace=trace)
            answer = face.refuse(Unexpected())
        if face.after is not None:
            await face.after(request, answer, int((time.monotonic() - began_s) * 1_000))
        answered, key = self.load.answered, (*known, answer.status)
        answered[key] = answered.get(key, 0) + 1
        await self._send(answer, request, send)

    async def _answer(self, route: Route, request: Request, scope: Scope) -> Answer:
        if self.load.count > self._settings.requests_max:
            raise Overloaded
        endpoint = route.endpoint
        if endpoint.scope is not None:
            request.caller = await route.face.admit(request, endpoint.scope)
        if endpoint.query is not None:
            words = request.query_words()
            request.query = decoded_query(words, endpoint.query) if words else route.no_query
        if route.decoder is not None:
            arrived = BODY_ARRIVED in scope.get("extensions", ())
            request.body = await self._body(request, endpoint, arrived)
            if endpoint.body_optional and not request.body.strip():
                request.body = b"{}"
            request.message, request.canonical = route.decoder.decode(request.body)
        return await endpoint.handler(request)

    async def _body(self, request: Request, endpoint: Endpoint, arrived: bool) -> bytes:
        """Raises BodyTooLarge, BodyTooSlow."""
        limit = endpoint.body_bytes_max or self._settings.body_bytes_max
        said = request.headers.get(b"content-length", b"0")
        if len(said) > 18 or (said.isdigit() and int(said) > limit):
            raise BodyTooLarge(f"the body is larger than {limit} bytes")
        if arrived:
            return await _read(request, limit)
        try:
            async with asyncio.timeout(self._settings.body_ms_max / 1_000):
                return await _read(request, limit)
        except TimeoutError:
            raise BodyTooSlow from None

    def _find(self, scope: Scope) -> tuple[str, Node | None, dict[str, str]]:
        raw = scope.get("raw_path")
        if raw is None or b"%" not in raw:
            path = scope["path"]
            return path, *self._router.find(path)
        text = raw.partition(b"?")[0].decode("latin-1")
        node, found = self._router.find(text)
        params = {name: unquote(value) for name, value in found.items()}
        if any("\0" in value for value in params.values()):
            return text, None, {}
        return text, node, params

    def _face_of(self, path: str) -> Face:
        return next((face for face in self._faces if path.startswith(face.prefix)), self._faces[-1])

    def _request_id(self, given: bytes | None) -> str:
        if given is not None and _SANE_ID.fullmatch(given):
            return given.decode()
        return f"{self._boot}-{next(self._numbers):x}"

    async def _send(self, answer: Answer, request: Request, send: Send) -> None:
        body = answer.body
        if isinstance(body, Struct):
            body = _encode(body)
        request_id = request.request_id.encode()
        headers: list[tuple[bytes, bytes]] = [(b"x-request-id", request_id), *answer.headers]
        if isinstance(body, bytes):
            if answer.status not in (204, 304):
                headers.append((b"content-type", answer.content_type))
                headers.append((b"content-length", b"%d" % len(body)))
            await send({"type": "http.response.start", "status": answer.status, "headers": headers})
            shown = b"" if request.method == "HEAD" else body
            await send({"type": "http.response.body", "body": shown})
            return
        headers.append((b"content-type", answer.content_type))
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        if request.method == "HEAD":
            body.close()
        else:
            await self._stream(answer, request, send)
        await send({"type": "http.response.body", "body": b""})

    async def _stream(self, answer: Answer, request: Request, send: Send) -> None:
        body = answer.body

        async def write(chunk: bytes) -> None:
            await send({"type": "http.response.body", "body": chunk, "more_body": True})

        async def watch() -> None:
            await request.left()
            body.close()

        watching = asyncio.get_running_loop().create_task(watch())
        try:
            with Parked(self.load):
                async with asyncio.timeout(answer.stream_s_max):
                    await body.run(write)
        except TimeoutError:
            log.info("stream cut off", request_id=request.request_id)
        finally:
            body.close()
            watching.cancel()


def _route(endpoint: Endpoint, face: Face) -> Route:
    decoder = StrictDecoder(endpoint.body) if endpoint.body else None
    return Route(endpoint, face, decoder, endpoint.query() if endpoint.query else None)


async def _read(request: Request, limit: int) -> bytes:
    message = await request.receive()
    body: bytes = message.get("body", b"")
    while message.get("more_body"):
        if len(body) > limit:
            break
        message = await request.receive()
        body += message.get("body", b"")
    if message["type"] == "http.disconnect":
        raise BodyTooSlow("the client went away before its body had arrived")
    if len(body) > limit:
        raise BodyTooLarge(f"the body is larger than {limit} bytes")
    return body


def _allow(node: Node) -> str:
    words = set(node.methods)
    if "GET" in words:
        words.add("HEAD")
    return ", ".join(sorted(words))
