"""Who asks: what a token stands for."""

from __future__ import annotations

from msgspec import Raw, Struct
from msgspec.json import encode


class Caller(Struct, frozen=True):
    """A token's tenant, namespace and scopes; everything it may see lies in that tenant.

    `session_id` is that of a signed-in person, empty for everybody else.
    """

    token_id: str
    tenant_id: int
    namespace: str
    scopes: frozenset[str]
    session_id: str = ""

    def asking_through(self, system: str, **metadata: object) -> Raw:
        """A process's `requested_by`, as every face shows it, where the request names nobody."""
        about = {"token_id": self.token_id} | metadata
        return Raw(encode({"system": system, "user": None, "metadata": about}))
