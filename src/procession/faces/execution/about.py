"""Routes about the server itself: capabilities, this API's description, health and numbers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import cache
from ipaddress import ip_address

from msgspec.json import encode

from procession.capabilities import registry
from procession.core.errors import Overloaded
from procession.engine import Engine
from procession.faces.endpoint import Admit, Answer, Endpoint, Load, Request
from procession.faces.execution.answers import Capabilities, CapabilityView, Health
from procession.faces.execution.declared import read
from procession.faces.execution.metrics import CONTENT_TYPE, metrics_text
from procession.faces.openapi import document
from procession.store.turn import Turn

HEALTH_S_MAX = 2.0
_FORWARDED = (b"forwarded", b"x-forwarded-for", b"x-real-ip")


class About:
    """Says what is here and how it is."""

    def __init__(
        self,
        engine: Engine,
        admit: Admit,
        load: Load,
        streams_open: Callable[[], int],
        documented: Callable[[], Sequence[Endpoint]],
    ) -> None:
        self._engine = engine
        self._admit = admit
        self._load = load
        self._streams_open = streams_open
        self._document = cache(lambda: encode(document(documented())))

    async def capabilities(self, request: Request) -> Answer:
        return Answer(body=_capabilities())

    async def openapi(self, request: Request) -> Answer:
        return Answer(body=self._document())

    async def health(self, request: Request) -> Answer:
        """Raises Overloaded when the ledger does not answer in time."""

        async def run(turn: Turn) -> None:
            await turn.store.connection.fetch("get_meta", name="health")

        try:
            async with asyncio.timeout(HEALTH_S_MAX):
                await self._engine.ledger.errand(run)
        except TimeoutError:
            raise Overloaded("the ledger does not answer") from None
        return Answer(body=Health("ok"))

    async def lives(self, request: Request) -> Answer:
        """Asks nothing of the database: to restart a server that waits for it gains nothing."""
        return Answer(body=Health("ok"))

    async def metrics(self, request: Request) -> Answer:
        """From this machine without a token; everyone else needs one."""
        if not _is_local(request):
            await self._admit(request, "execution:read")
        rows = await self._engine.store.connection.fetch("count_states")
        states = {row[0]: int(row[1]) for row in rows}
        text = metrics_text(self._load, self._streams_open(), states)
        return Answer(200, text, content_type=CONTENT_TYPE)

    def endpoints(self) -> list[Endpoint]:
        kind = CONTENT_TYPE.decode()
        return [
            read("/capabilities", self.capabilities, "What can be asked for", Capabilities),
            Endpoint(
                method="GET",
                path="/openapi.json",
                handler=self.openapi,
                summary="This description",
            ),
            Endpoint(
                method="GET",
                path="/healthz",
                handler=self.health,
                summary="Whether the server can take work",
                answer=Health,
                errors=(503,),
            ),
            Endpoint(
                method="GET",
                path="/livez",
                handler=self.lives,
                summary="Whether the server answers at all",
                answer=Health,
            ),
            Endpoint(
                method="GET",
                path="/metrics",
                handler=self.metrics,
                summary="Numbers for Prometheus",
                content_type=kind,
                errors=(401, 403),
            ),
        ]


@cache
def _capabilities() -> Capabilities:
    return Capabilities(
        [
            CapabilityView(
                name=one.name,
                modes=sorted(one.modes - one.blocked.keys()),
                routings=sorted(one.routings),
                inputs=registry.input_schema(one),
                blocked={str(mode): code for mode, code in one.blocked.items()} or None,
                needs_phone=one.needs_phone,
                on_interrupted=one.on_interrupted,
                attempts_max=one.attempts_max,
            )
            for one in registry.all_capabilities()
        ]
    )


def _is_local(request: Request) -> bool:
    """A proxy on this machine speaks for others, and says so."""
    if any(name in request.headers for name in _FORWARDED):
        return False
    try:
        return ip_address(request.peer).is_loopback
    except ValueError:
        return False
