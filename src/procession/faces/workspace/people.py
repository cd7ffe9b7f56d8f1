"""Routes to sign in and out, and to see who one is."""

from __future__ import annotations

from msgspec import UNSET

from procession.core.errors import Unauthenticated
from procession.engine import Engine
from procession.faces.endpoint import Answer, Endpoint, RateLimited, Request
from procession.faces.stamps import stamp
from procession.faces.workspace.answers import Me, SignedIn, SignedOut
from procession.faces.workspace.declared import read, write
from procession.faces.workspace.gate import COOKIE, Gate, cookie_of
from procession.faces.workspace.messages import SignIn
from procession.people import SCOPES, SESSION_MS, Person, Sessions, Signed

FAILURES_MAX = 10
"""Wrong passwords of one peer for one address: others behind the same proxy are not shut out."""
FAILURES_ALL_MAX = 100
"""Wrong passwords for one address from anywhere."""
FAILURES_MS = 15 * 60_000
REMEMBERED_MAX = 10_000


class Failures:
    """Wrong passwords lately; too many close the door for a while."""

    def __init__(self) -> None:
        self._failed: dict[str, list[int]] = {}

    def check(self, address: str, peer: str, now_ms: int) -> None:
        """Raises RateLimited."""
        for key, most in _keys(address, peer):
            if len(self._recent(key, now_ms)) >= most:
                raise RateLimited("too many wrong passwords; try again later")

    def add(self, address: str, peer: str, now_ms: int) -> None:
        if len(self._failed) >= REMEMBERED_MAX:
            self._failed.clear()
        for key, _ in _keys(address, peer):
            self._failed[key] = [*self._recent(key, now_ms), now_ms]

    def forget(self, address: str, peer: str) -> None:
        """The right password was given."""
        for key, _ in _keys(address, peer):
            self._failed.pop(key, None)

    def _recent(self, key: str, now_ms: int) -> list[int]:
        return [at for at in self._failed.get(key, []) if at > now_ms - FAILURES_MS]


def _keys(address: str, peer: str) -> tuple[tuple[str, int], tuple[str, int]]:
    return (f"{address} {peer}", FAILURES_MAX), (address, FAILURES_ALL_MAX)


class People:
    """Signing in and out."""

    def __init__(self, engine: Engine, gate: Gate, sessions: Sessions) -> None:
        self._engine = engine
        self._gate = gate
        self._sessions = sessions
        self._failures = Failures()

    async def sign_in(self, request: Request) -> Answer:
        message: SignIn = request.message
        address = message.email.strip().lower()
        self._failures.check(address, request.peer, self._engine.now_ms())
        try:
            signed = await self._sessions.sign_in(address, message.password)
        except Unauthenticated:
            self._failures.add(address, request.peer, self._engine.now_ms())
            raise
        self._failures.forget(address, request.peer)
        return await self._answer(signed, message.cookie)

    async def sign_out(self, request: Request) -> Answer:
        """An API token has no session to end."""
        found = await self._gate.signed_in(request)
        if found is None:
            raise Unauthenticated
        await self._sessions.sign_out(found.claims.jti)
        return Answer(body=SignedOut(), headers=(_cookie("", 0),))

    async def me(self, request: Request) -> Answer:
        found = await self._gate.signed_in(request)
        if found is None:
            caller = request.caller
            return Answer(body=Me(None, caller.token_id, None, None, sorted(caller.scopes)))
        csrf = await self._sessions.csrf_of(found.claims.jti) if cookie_of(request) else UNSET
        return Answer(body=_me(found.person, csrf))

    async def _answer(self, signed: Signed, cookie: bool) -> Answer:
        expires_at = stamp(signed.claims.exp * 1_000)
        me = _me(signed.person)
        if not cookie:
            return Answer(body=SignedIn(me, expires_at, signed.token))
        csrf = await self._sessions.csrf_of(signed.claims.jti)
        body = SignedIn(me, expires_at, csrf_token=csrf)
        return Answer(body=body, headers=(_cookie(signed.token, SESSION_MS // 1_000),))

    def endpoints(self) -> list[Endpoint]:
        return [
            write("/api/login", self.sign_in, "Sign in", SignedIn, body=SignIn, scope=None),
            write("/api/logout", self.sign_out, "End this session", SignedOut, scope="jobs:read"),
            read("/api/me", self.me, "Who is signed in", Me),
        ]


def _me(person: Person, csrf: object = UNSET) -> Me:
    scopes = sorted(SCOPES[person.role])
    shown = csrf if isinstance(csrf, str) else UNSET
    return Me(person.person_id, person.name, person.email, person.role, scopes, shown)


def _cookie(token: str, age_s: int) -> tuple[bytes, bytes]:
    """The session's cookie; without `Secure` so that plain HTTP on one machine works too."""
    text = f"{COOKIE}={token}; Path=/; Max-Age={age_s}; HttpOnly; SameSite=Lax"
    return (b"set-cookie", text.encode())
