"""Lets front ends of other origins call one face, by the names of the origins alone."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any

from procession.faces.router import AsgiApp, Receive, Scope, Send

AGE_S_MAX = 600
METHODS = b"GET, HEAD, POST, PUT, PATCH, DELETE"
ASKED = (
    b"Authorization, Content-Type, If-None-Match, Last-Event-ID, X-CSRF-Token, X-Request-Id, "
    b"X-Audit-Action, X-Audit-Resource-Type, X-Audit-Resource-Id, X-Audit-Request-Id"
)
SHOWN = b"ETag, Location, Retry-After, X-Request-Id"


class Cors:
    """Answers preflights and marks answers, below one prefix and for known origins only.

    Cookies of another origin are never allowed: such a front end sends its token.
    """

    def __init__(self, app: AsgiApp, prefix: str, origins: frozenset[str]) -> None:
        self._app = app
        self._prefix = prefix
        self._origins = origins

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        origin = self._known_origin(scope)
        if origin is None:
            await self._app(scope, receive, send)
        elif scope["method"] == "OPTIONS":
            await self._preflight(origin, send)
        else:
            await self._app(scope, receive, _marking(send, origin))

    def _known_origin(self, scope: Scope) -> bytes | None:
        if scope["type"] != "http" or not scope["path"].startswith(self._prefix):
            return None
        origin: bytes | None = dict(scope["headers"]).get(b"origin")
        return origin if origin and origin.decode("latin-1") in self._origins else None

    async def _preflight(self, origin: bytes, send: Send) -> None:
        headers = [
            (b"access-control-allow-origin", origin),
            (b"access-control-allow-methods", METHODS),
            (b"access-control-allow-headers", ASKED),
            (b"access-control-max-age", b"%d" % AGE_S_MAX),
            (b"vary", b"Origin"),
        ]
        await send({"type": "http.response.start", "status": 204, "headers": headers})
        await send({"type": "http.response.body", "body": b""})


def _marking(send: Send, origin: bytes) -> Send:
    async def marked(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [
                *message["headers"],
                (b"access-control-allow-origin", origin),
                (b"access-control-expose-headers", SHOWN),
                (b"vary", b"Origin"),
            ]
        await send(message)

    return marked
