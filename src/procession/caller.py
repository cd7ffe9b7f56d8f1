"""Who asks: what a token stands for."""

from __future__ import annotations

from msgspec import Struct


class Caller(Struct, frozen=True):
    """A token's tenant, namespace and scopes; everything it may see lies in that tenant."""

    token_id: str
    tenant_id: int
    namespace: str
    scopes: frozenset[str]
