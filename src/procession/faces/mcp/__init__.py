"""The Model Context Protocol at `/mcp`: asking people and tracking work, as tools of a model."""

from __future__ import annotations

import asyncio
import secrets
from typing import Any

from procession.core.errors import Overloaded
from procession.engine import Engine
from procession.faces.access import EITHER, Access
from procession.faces.endpoint import Answer, Endpoint, Face, Request
from procession.faces.mcp.exchange import Exchange
from procession.faces.mcp.posted import POSTED, Message, Posted, Query
from procession.faces.mcp.refusals import refusal_of
from procession.faces.mcp.words import PATH, READ_ONLY_HEADER, RUNNING_MAX, SCOPES
from procession.faces.router import AsgiApp
from procession.faces.steps.addresses import Addresses

__all__ = ["mcp_face"]

SESSION_HEADER = b"mcp-session-id"
SESSION_CHARS_MAX = 64
_YES = frozenset({"1", "true", "yes", "on"})

Name = tuple[str, str, Any]
"""A call in work: its token, its client's session, its id there."""


def mcp_face(engine: Engine, access: Access) -> Face:
    """The face; the SDK is imported with the first request."""
    posts = Posts(engine)
    scope = EITHER.join(SCOPES)
    endpoints = [
        Endpoint(
            method="POST",
            path=PATH,
            handler=posts.post,
            summary="One message of the Model Context Protocol",
            body=Message,
            query=Query,
            scope=scope,
            success=(200, 202),
            errors=(400, 401, 403, 408, 413, 429, 500, 503),
        ),
        Endpoint(
            method="DELETE",
            path=PATH,
            handler=posts.forget,
            summary="End a session, of which nothing is kept",
            scope=scope,
            errors=(401, 403, 429, 500, 503),
        ),
    ]
    return Face(name="mcp", prefix=PATH, endpoints=endpoints, refuse=refusal_of, admit=access.admit)


class Posts:
    """Takes messages, hands them to the SDK, and ends a call that its client cancels.

    Nothing is kept from one message to the next. The name of a session, which clients of the
    older protocol send along, only tells apart which call they mean when they cancel one.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._addresses = Addresses(engine)
        self._importing = asyncio.Lock()
        self._app: AsgiApp | None = None
        self._running: dict[Name, Exchange] = {}

    async def post(self, request: Request) -> Answer:
        if self._engine.wakeup.closing:
            raise Overloaded("the server is stopping")
        message: Message = request.message
        session = request.header(SESSION_HEADER)[:SESSION_CHARS_MAX]
        if message.method == "notifications/cancelled" and session:
            self._cancel(request, session, message.params)
        exchange = Exchange(await self._sdk(), request, {POSTED: self._posted(request)})
        name = (request.caller.token_id, session, message.id)
        if session and _is_id(message.id) and len(self._running) < RUNNING_MAX:
            self._running[name] = exchange
            exchange.when_done(lambda: self._done(name, exchange))
        if _may_wait(message.params):
            with request.parked():
                answer = await exchange.answer()
        else:
            answer = await exchange.answer()
        if message.method == "initialize" and answer.status == 200:
            named = (SESSION_HEADER, secrets.token_hex(16).encode())
            return Answer(200, answer.body, (*answer.headers, named), answer.content_type)
        return answer

    async def forget(self, request: Request) -> Answer:
        return Answer(204)

    def _cancel(self, request: Request, session: str, params: Any) -> None:
        call_id = params.get("requestId") if isinstance(params, dict) else None
        if _is_id(call_id):
            running = self._running.get((request.caller.token_id, session, call_id))
            if running is not None:
                running.close()

    def _done(self, name: Name, exchange: Exchange) -> None:
        if self._running.get(name) is exchange:
            del self._running[name]

    def _posted(self, request: Request) -> Posted:
        said = request.header(READ_ONLY_HEADER).strip().lower() in _YES
        return Posted(
            request.caller,
            said or request.query.read_only,
            self._addresses.origin(request),
            lambda key: self._addresses.file(request, key),
        )

    async def _sdk(self) -> AsgiApp:
        async with self._importing:
            if self._app is None:
                self._app = await asyncio.to_thread(_imported, self._engine)
        return self._app


def _imported(engine: Engine) -> AsgiApp:
    from procession.faces.mcp.sdk import make_sdk_app

    return make_sdk_app(engine)


def _may_wait(params: Any) -> bool:
    """Whether a call only waits, once it has done what it is to do."""
    if not isinstance(params, dict):
        return False
    given = params.get("arguments")
    waits = isinstance(given, dict) and given.get("wait_seconds")
    return bool(waits) or str(params.get("name")).startswith("wait_for_")


def _is_id(value: Any) -> bool:
    return isinstance(value, int | str) and not isinstance(value, bool)
