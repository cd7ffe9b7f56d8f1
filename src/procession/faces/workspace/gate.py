"""Who is let in: a signed-in person by token or cookie, or an API token."""

from __future__ import annotations

from http.cookies import CookieError, SimpleCookie
from secrets import compare_digest
from typing import NamedTuple

from procession.caller import Caller
from procession.core.errors import Forbidden, Unauthenticated
from procession.faces.access import Access, bearer
from procession.faces.endpoint import Request
from procession.people import SCOPES, Claims, Person, Sessions
from procession.tokens import NAMESPACE_FIRST

COOKIE = "procession_session"
CSRF_HEADER = b"x-csrf-token"
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_USER = "user:"


class SignedInAs(NamedTuple):
    """A person's request: who, by which claims."""

    person: Person
    claims: Claims


class Gate:
    """Admits requests: `Authorization: Bearer`, or the session cookie with its CSRF token."""

    def __init__(self, access: Access, sessions: Sessions) -> None:
        self._access = access
        self._sessions = sessions

    async def admit(self, request: Request, scope: str) -> Caller:
        """Raises Unauthenticated, Forbidden, RateLimited."""
        found = await self.signed_in(request)
        if found is None:
            return await self._access.admit(request, scope)
        caller = caller_of(found.person, found.claims.jti)
        if scope not in caller.scopes:
            raise Forbidden(f"the role {found.person.role} lacks the scope {scope}")
        return caller

    async def signed_in(self, request: Request) -> SignedInAs | None:
        """The person behind a session; None for an API token. Raises Unauthenticated."""
        if b"authorization" in request.headers:
            token = bearer(request)
            if token.count(".") != 2:
                return None
            return await self._of_token(token)
        token = cookie_of(request)
        if not token:
            raise Unauthenticated
        found = await self._of_token(token)
        if request.method not in SAFE:
            await self._check_csrf(request, found.claims)
        return found

    async def _of_token(self, token: str) -> SignedInAs:
        person, claims = await self._sessions.find(token)
        if claims.process:
            raise Unauthenticated
        return SignedInAs(person, claims)

    async def _check_csrf(self, request: Request, claims: Claims) -> None:
        wanted = await self._sessions.csrf_of(claims.jti)
        given = request.headers.get(CSRF_HEADER, b"")
        if not compare_digest(wanted.encode(), given):
            raise Forbidden("the X-CSRF-Token is missing or wrong")


def caller_of(person: Person, session_id: str) -> Caller:
    """What a person may do, for as long as the session is live."""
    token_id = f"{_USER}{person.person_id}"
    return Caller(token_id, person.tenant_id, NAMESPACE_FIRST, SCOPES[person.role], session_id)


def person_id_of(caller: Caller) -> int | None:
    """The person behind a caller; None for an API token."""
    number = caller.token_id.removeprefix(_USER)
    return int(number) if caller.token_id.startswith(_USER) else None


def cookie_of(request: Request) -> str:
    """The session's token from the cookie; empty without one."""
    try:
        found = SimpleCookie(request.header(b"cookie")).get(COOKIE)
    except CookieError:
        return ""
    return found.value if found else ""
