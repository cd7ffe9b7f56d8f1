"""Short ways to declare the face's endpoints, with the refusals each kind can answer."""

from __future__ import annotations

from typing import Any

from procession.faces.endpoint import Endpoint, Handler

ALWAYS = frozenset({401, 403, 429, 500, 503})
WITH_BODY = frozenset({408, 413, 422})


def read(
    path: str, handler: Handler, summary: str, answer: Any, *errors: int, **more: Any
) -> Endpoint:
    """A GET with the scope to read; `errors` are those beyond what every endpoint answers."""
    declared = {"method": "GET", "scope": "jobs:read"} | more
    return _endpoint(errors, declared, path=path, handler=handler, summary=summary, answer=answer)


def write(
    path: str, handler: Handler, summary: str, answer: Any, *errors: int, **more: Any
) -> Endpoint:
    """A POST with the scope to write unless `more` says otherwise."""
    declared = {"method": "POST", "scope": "jobs:write"} | more
    return _endpoint(errors, declared, path=path, handler=handler, summary=summary, answer=answer)


def _endpoint(errors: tuple[int, ...], declared: dict[str, Any], **more: Any) -> Endpoint:
    known = ALWAYS.union(errors)
    if "body" in declared:
        known |= WITH_BODY
    if "query" in declared:
        known |= {422}
    return Endpoint(**declared, **more, errors=tuple(sorted(known)))
