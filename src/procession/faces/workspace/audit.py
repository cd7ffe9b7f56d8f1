"""Who did what: a row for every request that may change something, whatever came of it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import msgspec
import structlog
from msgspec import Struct

from procession.engine import Engine
from procession.faces.endpoint import Answer, Request
from procession.store.turn import Turn

BODY_BYTES_MAX = 8_192
TEXT_CHARS_MAX = 500
WRITE_S_MAX = 2.0
HIDDEN = "[hidden]"
SECRET_WORDS = (
    *("password", "passwd", "secret", "token", "authorization", "api_key", "apikey", "cookie"),
    *("credential", "private", "session", "csrf", "otp", "signature"),
)
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_CLIENT = {
    "action": b"x-audit-action",
    "resource_type": b"x-audit-resource-type",
    "resource_id": b"x-audit-resource-id",
    "request_id": b"x-audit-request-id",
}

log = structlog.get_logger(__name__)


class Row(Struct, frozen=True, omit_defaults=True):
    """What is kept beside who and when. `duration_ms` is the server's own time."""

    request_id: str
    method: str
    path: str
    status: int
    duration_ms: int
    peer: str
    body: Any = None
    answer: Any = None
    client: dict[str, str] = {}


class Audit:
    """Writes the rows; a row that cannot be written is logged and breaks nothing."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def after(self, request: Request, answer: Answer, duration_ms: int) -> None:
        """Called with every answer of the face."""
        if request.method in SAFE:
            return
        try:
            async with asyncio.timeout(WRITE_S_MAX):
                await self._write(request, answer, duration_ms)
        except Exception as error:
            log.error("audit row lost", request_id=request.request_id, error=repr(error))

    async def _write(self, request: Request, answer: Answer, duration_ms: int) -> None:
        client = {name: request.header(key)[:TEXT_CHARS_MAX] for name, key in _CLIENT.items()}
        row = Row(
            request_id=request.request_id,
            method=request.method,
            path=request.path[:TEXT_CHARS_MAX],
            status=answer.status,
            duration_ms=duration_ms,
            peer=request.peer,
            body=shown(request.body),
            answer=shown(answer.body) if answer.status >= 400 else None,
            client={name: value for name, value in client.items() if value},
        )
        action = client["action"] or f"{request.method} {request.path}"

        async def run(turn: Turn) -> None:
            await turn.store.connection.execute(
                "insert_audit",
                tenant_id=request.caller.tenant_id,
                token_id=request.caller.token_id,
                action=action[:TEXT_CHARS_MAX],
                subject=request.path[:TEXT_CHARS_MAX],
                data=msgspec.json.encode(row).decode(),
                at_ms=turn.now_ms,
            )

        await self._engine.ledger.errand(run)


def shown(body: Any) -> Any:
    """A body with its secrets hidden; one that is large or no JSON only by its size."""
    raw = msgspec.json.encode(body) if isinstance(body, Struct) else body
    if not isinstance(raw, bytes) or not raw:
        return None
    if len(raw) > BODY_BYTES_MAX:
        return {"bytes": len(raw)}
    try:
        return hidden(msgspec.json.decode(raw))
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return {"bytes": len(raw)}


def hidden(value: Any) -> Any:
    """The value without anything whose name sounds like a secret."""
    if isinstance(value, Mapping):
        return {
            key: HIDDEN if _is_secret(str(key)) else hidden(inner) for key, inner in value.items()
        }
    if isinstance(value, list):
        return [hidden(inner) for inner in value]
    if isinstance(value, str):
        return value.replace("\0", "\ufffd")
    return value


def _is_secret(name: str) -> bool:
    plain = name.lower().replace("-", "_")
    return any(word in plain for word in SECRET_WORDS)
