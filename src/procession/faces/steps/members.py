"""Who is let in: a token, or a member of the organization by the token of their sign-in."""

from __future__ import annotations

from procession.caller import Caller
from procession.core.errors import Forbidden, Unauthenticated
from procession.faces.access import EITHER, Access, bearer
from procession.faces.endpoint import Request
from procession.people import SCOPES, Sessions
from procession.tokens import NAMESPACE_FIRST

_DOTS = 2
"""In the token of a sign-in; an API token has none."""


class Members:
    """Admits requests that carry `Authorization: Bearer`; a cookie is not enough here."""

    def __init__(self, access: Access, sessions: Sessions) -> None:
        self._access = access
        self._sessions = sessions

    async def admit(self, request: Request, scope: str) -> Caller:
        """Raises Unauthenticated, Forbidden, RateLimited."""
        token = bearer(request)
        if token.count(".") != _DOTS:
            return await self._access.admit(request, scope)
        try:
            person, claims = await self._sessions.find(token)
        except Unauthenticated:
            raise Unauthenticated("unknown") from None
        if claims.process:
            raise Unauthenticated("unknown")
        scopes = SCOPES[person.role]
        if scopes.isdisjoint(scope.split(EITHER)):
            raise Forbidden
        caller_id = f"user:{person.person_id}"
        return Caller(caller_id, person.tenant_id, NAMESPACE_FIRST, scopes, claims.jti)
