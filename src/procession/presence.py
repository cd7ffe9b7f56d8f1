"""A server makes itself known, so that no migration breaks it, and ends when one has.

Known by a row it keeps fresh, not by its connections: those name nobody behind a pooler, come and
go with the network, and SQLite does not show them at all.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from importlib.metadata import version

import structlog

from procession import loops
from procession.core.errors import Refused
from procession.engine import Engine
from procession.store.migrate import DatabaseNewer, Server, breaking, read_migrations
from procession.store.turn import Turn

_log = structlog.get_logger(__name__)


def own_server(chance: Callable[[], float]) -> Server:
    """This process as a server, told from others of its host and number by chance."""
    mark = f"{int(chance() * 0x10000):04x}"
    name = f"{socket.gethostname()}/{os.getpid()}-{mark}"
    return Server(name, version("procession"), max(read_migrations()), 0)


class Presence:
    """Says that this server is at work.

    Where it could not for long, by then taken for dead, it may find a migration it does not
    understand: `outdated` is told which, and the server has to end.
    """

    every_ms = 10_000

    def __init__(self, engine: Engine, server: Server, outdated: Callable[[str], None]) -> None:
        self._engine = engine
        self._server = server
        self._outdated = outdated
        self._known = read_migrations()

    async def step(self, now_ms: int) -> int:
        """A database that is away, or was moved, says so to every caller already."""
        try:
            unknown = await self._engine.ledger.errand(self._tell)
        except Refused as refused:
            _log.warning("not_present", error=str(refused))
            return 0
        if unknown:
            self._outdated(unknown)
        return 0

    async def leave(self) -> None:
        """At an orderly end."""

        async def run(turn: Turn) -> None:
            connection = turn.store.connection
            await connection.execute("drop_server", server_id=self._server.server_id)

        try:
            await self._engine.ledger.errand(run)
        except Refused as refused:
            _log.warning("not_present", error=str(refused))

    async def _tell(self, turn: Turn) -> str:
        connection = turn.store.connection
        done = {str(name): str(why) for name, why in await connection.fetch("list_migrations")}
        await connection.execute(
            "put_server", **(self._server._asdict() | {"seen_ms": turn.now_ms})
        )
        return breaking(done, self._known)


@asynccontextmanager
async def at_work(
    engine: Engine, server: Server, stop: Callable[[], None]
) -> AsyncGenerator[None, None]:
    """Present for as long as the context lasts.

    `stop` is called when the database went on without this server; then, at the end, raises
    DatabaseNewer.
    """
    reasons: list[str] = []

    def outdated(unknown: str) -> None:
        if not reasons:
            _log.error("outdated", unknown=unknown)
            reasons.append(unknown)
            stop()

    presence = Presence(engine, server, outdated)
    telling = asyncio.create_task(loops.run(presence, engine.now_ms))
    try:
        yield
    finally:
        telling.cancel()
        await asyncio.gather(telling, return_exceptions=True)
        await presence.leave()
    if reasons:
        raise DatabaseNewer(f"{DatabaseNewer.__doc__} {reasons[0]}")
