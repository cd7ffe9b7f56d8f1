"""What this face says of itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache

from msgspec.json import encode

from procession.faces.endpoint import Answer, Endpoint, Request
from procession.faces.openapi import Refusing, document
from procession.faces.steps.declared import PREFIX
from procession.faces.steps.refusals import Refusal


class About:
    """The face's OpenAPI document; `documented` gives all its endpoints."""

    def __init__(self, documented: Callable[[], Sequence[Endpoint]]) -> None:
        refusing = Refusing(Refusal, "application/json")
        self._document = cache(lambda: encode(document(documented(), refusing)))

    async def openapi(self, request: Request) -> Answer:
        return Answer(body=self._document())

    def endpoints(self) -> list[Endpoint]:
        return [
            Endpoint(
                method="GET",
                path=f"{PREFIX}/openapi.json",
                handler=self.openapi,
                summary="This description",
            )
        ]
