"""Tokens: made once, kept as hashes, revoked; a token is looked up by its hash."""

from __future__ import annotations

import hashlib
import secrets
from typing import NamedTuple

from procession.caller import Caller
from procession.core.errors import Invalid, NotFound, Unauthenticated
from procession.engine import Engine
from procession.store.rows import labels_of, text_of
from procession.store.turn import Turn

SCOPES = (
    "execution:read",
    "execution:write",
    "fleet:write",
    "worker",
    "jobs:read",
    "jobs:write",
    "tasks:create",
    "tasks:read",
    "processes:read",
    "processes:write",
)
TENANT_FIRST = "default"
NAMESPACE_FIRST = "default"
TOKEN_CHARS_MIN = 32
TOKEN_CHARS_MAX = 512
KNOWN_MAX = 10_000


class TokenRead(NamedTuple):
    """A token as it can be listed: never the token itself."""

    token_id: str
    tenant: str
    name: str
    scopes: list[str]
    namespace: str
    created_ms: int
    revoked_ms: int | None


def hash_of(token: str) -> str:
    """What is kept of a token. Tokens are long random texts, so a plain hash cannot be guessed."""
    return hashlib.sha256(token.encode()).hexdigest()


def make_token() -> str:
    return f"htk_{secrets.token_hex(32)}"


class Tokens:
    """Looks tokens up, believing a look-up for `token_cache_ms`; a revocation takes as long."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._known: dict[str, tuple[int, Caller]] = {}

    async def caller_of(self, token: str) -> Caller:
        """Raises Unauthenticated."""
        now_ms = self._engine.now_ms()
        known = self._known.get(token)
        if known is not None and known[0] > now_ms:
            return known[1]
        caller = await self._look_up(token)
        if len(self._known) >= KNOWN_MAX:
            self._known.clear()
        self._known[token] = (now_ms + self._engine.settings.token_cache_ms, caller)
        return caller

    async def _look_up(self, token: str) -> Caller:
        self._known.pop(token, None)
        if not TOKEN_CHARS_MIN <= len(token) <= TOKEN_CHARS_MAX:
            raise Unauthenticated("unknown")
        found = await self._engine.store.connection.fetch("find_token", token_hash=hash_of(token))
        if not found:
            raise Unauthenticated("unknown")
        if found[0][4] is not None:
            raise Unauthenticated("revoked")
        token_id, tenant_id, scopes, namespace, _ = found[0]
        return Caller(token_id, tenant_id, namespace, frozenset(labels_of(scopes)))


async def create_token(
    turn: Turn,
    *,
    token: str,
    token_id: str,
    tenant: str = TENANT_FIRST,
    name: str,
    scopes: list[str],
    namespace: str = NAMESPACE_FIRST,
) -> bool:
    """Keep a token's hash, making its tenant if new; False if it was known. Raises Invalid."""
    if unknown := sorted(set(scopes) - set(SCOPES)):
        raise Invalid("/scopes", f"unknown scopes {', '.join(unknown)}; known: {', '.join(SCOPES)}")
    if len(token) < TOKEN_CHARS_MIN:
        raise Invalid("/token", f"must have at least {TOKEN_CHARS_MIN} characters")
    connection = turn.store.connection
    await connection.execute("insert_tenant", name=tenant, now_ms=turn.now_ms)
    tenant_id = (await connection.fetch("get_tenant", name=tenant))[0][0]
    made = await connection.execute(
        "insert_token",
        token_id=token_id,
        tenant_id=tenant_id,
        name=name,
        token_hash=hash_of(token),
        scopes=text_of(scopes),
        namespace=namespace,
        created_ms=turn.now_ms,
    )
    return made == 1


async def list_tokens(turn: Turn) -> list[TokenRead]:
    found = await turn.store.connection.fetch("list_tokens")
    return [
        TokenRead(row[0], row[1], row[2], labels_of(row[3]), row[4], row[5], row[6])
        for row in found
    ]


async def revoke_token(turn: Turn, token_id: str) -> None:
    """Raises NotFound when there is no such live token."""
    execute = turn.store.connection.execute
    if not await execute("revoke_token", token_id=token_id, now_ms=turn.now_ms):
        raise NotFound(f"no live token {token_id}")
