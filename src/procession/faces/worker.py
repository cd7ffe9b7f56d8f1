"""The worker face: what agents call. Its messages are those of `procession.protocol`."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any

from msgspec import Struct

from procession import protocol, reporting, working
from procession.core.errors import Invalid
from procession.engine import Engine
from procession.faces.access import Access
from procession.faces.endpoint import Answer, Endpoint, Face, Handler, Request
from procession.faces.problem import problem_of

SCOPE = "worker"
BODY_BYTES_MAX = 8 * 1024 * 1024
"""A batch of results with their outputs is larger than what callers send."""


class Done(Struct):
    """Answer to a message that has none of its own."""

    status: str = "ok"


class Worker:
    """The verbs of the worker protocol."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def register(self, request: Request) -> Answer:
        message: protocol.Register = request.message
        if message.protocol != protocol.PROTOCOL_VERSION:
            raise Invalid(
                "/protocol",
                f"{message.protocol} is not spoken here; this server speaks "
                f"{protocol.PROTOCOL_VERSION}",
            )
        return Answer(body=await working.register(self._engine, request.caller, message))

    async def claim(self, request: Request) -> Answer:
        with request.parked():
            claiming = working.claim(self._engine, request.caller, request.message)
            items = await _while_there(request, claiming)
        return Answer(body=protocol.Claimed(items))

    async def heartbeat(self, request: Request) -> Answer:
        with request.parked():
            orders = await reporting.heartbeat(self._engine, request.caller, request.message)
        return Answer(body=protocol.Orders(orders))

    async def report(self, request: Request) -> Answer:
        orders = await reporting.report(self._engine, request.caller, request.message)
        return Answer(body=protocol.Orders(orders))

    async def finish(self, request: Request) -> Answer:
        return Answer(body=await reporting.finish(self._engine, request.caller, request.message))

    async def drain(self, request: Request) -> Answer:
        message: protocol.Drain = request.message
        await working.drain(self._engine, request.caller, message.agent_id, message.registered_ms)
        return Answer(body=Done())


def worker_face(engine: Engine, access: Access) -> Face:
    """The verbs of the worker protocol as endpoints."""
    worker = Worker(engine)
    return Face(
        name="worker",
        prefix=protocol.PATH,
        refuse=problem_of,
        admit=access.admit,
        endpoints=_endpoints(
            [
                ("register", worker.register, protocol.Register, protocol.Registered),
                ("claim", worker.claim, protocol.Claim, protocol.Claimed),
                ("heartbeat", worker.heartbeat, protocol.Heartbeat, protocol.Orders),
                ("report", worker.report, protocol.Report, protocol.Orders),
                ("finish", worker.finish, protocol.Finish, protocol.Finished),
                ("drain", worker.drain, protocol.Drain, Done),
            ]
        ),
    )


async def _while_there(
    request: Request, claiming: Coroutine[Any, Any, list[protocol.Assignment]]
) -> list[protocol.Assignment]:
    """Claim only as long as the agent listens: work given to nobody would wait for its lease."""
    work = asyncio.ensure_future(claiming)
    leaving = asyncio.ensure_future(request.left())
    try:
        await asyncio.wait((work, leaving), return_when=asyncio.FIRST_COMPLETED)
        return await work if work.done() else []
    finally:
        leaving.cancel()
        work.cancel()


def _endpoints(verbs: Sequence[tuple[str, Handler, type, type]]) -> list[Endpoint]:
    return [
        Endpoint(
            method="POST",
            path=f"{protocol.PATH}/{verb}",
            handler=handler,
            summary=f"Worker protocol: {verb}",
            body=body,
            answer=answer,
            scope=SCOPE,
            errors=(401, 403, 404, 422),
            body_bytes_max=BODY_BYTES_MAX,
        )
        for verb, handler, body, answer in verbs
    ]
