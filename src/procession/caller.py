"""Who asks: what a token stands for."""

from __future__ import annotations

from msgspec import Struct


class Caller(Struct, frozen=True):
    """A token's tenant, namespace and scopes; everything it may see lies in that tenant.

    `session_id` is that of a signed-in person, empty for everybody else.
    """

    token_id: str
    tenant_id: int
    namespace: str
    scopes: frozenset[str]
    session_id: str = ""
