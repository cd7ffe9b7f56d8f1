"""Short ways to declare the face's endpoints, with the refusals each kind can answer."""

from __future__ import annotations

from typing import Any

from procession.faces.endpoint import Endpoint, Handler

PREFIX = "/api/v1"
ALWAYS = frozenset({401, 403, 429, 500, 503})
WITH_BODY = frozenset({400, 408, 413})


def declare(
    verb: str,
    handler: Handler,
    summary: str,
    *,
    scope: str | None,
    answer: Any = None,
    errors: tuple[int, ...] = (),
    **more: Any,
) -> Endpoint:
    """`verb` is method and path below `/api/v1`: `GET /processes`.

    `errors` are those beyond what every endpoint answers.
    """
    method, path = verb.split(" ")
    known = ALWAYS.union(errors)
    if "body" in more:
        known |= WITH_BODY
    if "query" in more:
        known |= {400}
    return Endpoint(
        method=method,
        path=PREFIX + path,
        handler=handler,
        summary=summary,
        scope=scope,
        answer=answer,
        errors=tuple(sorted(known)),
        **more,
    )
