"""Tokens to callers: who asks, whether they may, and how often."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable

from procession.caller import Caller
from procession.core.errors import Forbidden, Unauthenticated
from procession.faces.endpoint import RateLimited, Request

TOKEN_CHARS_MAX = 512
BUCKETS_MAX = 10_000
EITHER = "|"
"""Between scopes of which one is enough."""
_SCHEME = b"bearer "

CallerOf = Callable[[str], Awaitable[Caller]]


class Access:
    """Admits requests that carry `Authorization: Bearer <token>`.

    A token is found by its hash, so the time it takes says nothing about other tokens.
    """

    def __init__(self, caller_of: CallerOf, rate_per_s_max: int, now_ms: Callable[[], int]) -> None:
        self._caller_of = caller_of
        self._rates = Rates(rate_per_s_max, now_ms) if rate_per_s_max else None

    async def admit(self, request: Request, scope: str) -> Caller:
        """Raises Unauthenticated, RateLimited, Forbidden."""
        caller = await self._caller_of(bearer(request))
        if self._rates is not None:
            self._rates.take(caller.token_id)
        if scope not in caller.scopes and caller.scopes.isdisjoint(scope.split(EITHER)):
            raise Forbidden(f"the token lacks the scope {scope}")
        return caller


def bearer(request: Request) -> str:
    """The token of the request. Raises Unauthenticated."""
    value = request.headers.get(b"authorization")
    if value is None or len(value) > TOKEN_CHARS_MAX:
        raise Unauthenticated
    token = value[len(_SCHEME) :].strip()
    if value[: len(_SCHEME)].lower() != _SCHEME or not token:
        raise Unauthenticated
    return token.decode("latin-1")


class Rates:
    """A bucket a token: one second's worth may be taken at once, then as many a second."""

    def __init__(self, per_s_max: int, now_ms: Callable[[], int]) -> None:
        self._per_s_max = per_s_max
        self._now_ms = now_ms
        self._buckets: OrderedDict[str, tuple[float, int]] = OrderedDict()

    def take(self, key: str) -> None:
        """Raises RateLimited."""
        now_ms = self._now_ms()
        left, at_ms = self._buckets.get(key, (float(self._per_s_max), now_ms))
        passed_ms = max(0, now_ms - at_ms)
        left = min(float(self._per_s_max), left + passed_ms * self._per_s_max / 1_000)
        if left < 1:
            raise RateLimited
        self._buckets[key] = (left - 1, now_ms)
        self._buckets.move_to_end(key)
        if len(self._buckets) > BUCKETS_MAX:
            self._buckets.popitem(last=False)
