"""One server process: the real engine, operations, loops and sender on the shared database."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from random import Random
from typing import TYPE_CHECKING, Any, cast

from procession.capabilities.errors import CapabilityRefusal
from procession.core.errors import Overloaded, Refused
from procession.elsewhere import Elsewhere
from procession.engine import Engine
from procession.loops import renew_all_leases
from procession.outbox import StoredOutbox
from procession.presence import at_work
from procession.server import in_background
from procession.settings import Settings
from procession.store.connection import Connection, Topic
from procession.store.database_clock import DatabaseClock
from procession.store.ledger import Done, Ledger, take_turn
from procession.store.loop_writer import LoopWriter
from procession.store.migrate import Server as Present
from procession.store.migrate import read_migrations
from procession.store.store import Store
from procession.store.turn import Work as TurnWork
from procession.wakeup import Wakeup
from simulation.database import START_MS, Hearing, Reader, Writer
from simulation.network import Exchange, Place, Work
from simulation.receiver import SimulatedSender, body_of
from simulation.timeline import Node

if TYPE_CHECKING:
    from simulation.world import World


class Crashed(Exception):
    """The server of this request is no more, or it failed on it."""


class OwnClockWriter:
    """Turns by the server's own clock, as on SQLite; the thread is a task here."""

    def __init__(self, node: Node, store: Store, now_ms: Callable[[], int]) -> None:
        self._node = node
        self._store = store
        self._now_ms = now_ms

    def run(self, batch: Sequence[TurnWork], done: Done) -> None:
        self._node.start(self._run(batch, done))

    async def _run(self, batch: Sequence[TurnWork], done: Done) -> None:
        outcomes, topics = await take_turn(self._store, batch, self._now_ms)
        done(outcomes, topics)

    def close(self) -> None:
        """Nothing to stop."""


class Server:
    """A life of a server, from its start to its crash or its end."""

    def __init__(self, world: World, place: Place, life: int) -> None:
        self.name = f"{place.name}.{life}"
        self.world = world
        self.place = place
        self.node = world.timeline.node(self.name)
        self.exchanges: dict[Exchange, None] = {}
        self.random = Random(f"{world.plan.seed} {self.name}")
        self.wakeup = Wakeup()
        self.clock = DatabaseClock(self.wall_ms, self._steady_ms)
        writing = Writer(world.database, world.plan, self.node, self.crash)
        reading = Reader(world.database, world.plan)
        hearing = Hearing(world.database, self.node, world.plan)
        self.elsewhere = Elsewhere(hearing, writing, cast(Connection, reading), self.wakeup)  # type: ignore[arg-type]
        self.engine = Engine(
            ledger=Ledger(self._writer(writing), self._wake),
            store=Store(cast(Connection, reading)),
            wakeup=self.wakeup,
            settings=Settings(lease_ms=world.plan.lease_ms),
            now_ms=self.clock.now_ms if world.plan.shared else self.wall_ms,
            chance=self.random.random,
            new_id=lambda at_ms: new_id(at_ms, self.random),
        )
        self._writing = writing
        self._present = Present(self.name, "simulated", max(read_migrations()), 0)
        self._ending = asyncio.Event()
        self.node.live(self._live())

    def wall_ms(self) -> int:
        ahead_ms = self.world.clocks_ms.get(self.place.name, 0)
        return START_MS + int(self.world.timeline.now_s * 1000) + ahead_ms

    def _steady_ms(self) -> int:
        return 77_000 + int(self.world.timeline.now_s * 1000)

    def _writer(self, writer: Writer) -> Any:
        if self.world.plan.shared:
            return LoopWriter(cast(Any, writer), self.clock, self.world.plan.lease_ms)
        return OwnClockWriter(self.node, Store(cast(Connection, writer)), self.wall_ms)

    def _wake(self, topics: Iterable[Topic]) -> None:
        self.wakeup.saved(sorted(topics, key=repr))

    async def _live(self) -> None:
        """As `procession.server.serve` does it, without sockets."""
        engine = self.engine
        try:
            if self.world.plan.shared:
                await self.clock.look(self._writing.now_ms)
            await renew_all_leases(engine, alone=not self.world.plan.shared)
        except (OSError, Overloaded):
            # Without a database a server ends, and whoever watches it starts another.
            return self.crash("as it finds no database")
        sender = SimulatedSender(
            StoredOutbox(engine, body_of), self.world.receiver, self.random.random
        )
        async with in_background(engine, sender), at_work(engine, self._present, self.end):
            if self.world.plan.shared:
                self.node.start(self.elsewhere.run(self.clock))
            self.place.server = self
            self.world.note(f"{self.name} serves")
            await self._ending.wait()
            self.place.server = None
            self.wakeup.close()
            while self.exchanges:
                await asyncio.sleep(0.01)
        await engine.ledger.close()
        self.node.kill()
        self.world.ended(self)

    def end(self) -> None:
        """As by SIGTERM."""
        self._ending.set()

    def crash(self, when: str = "") -> None:
        """As by SIGKILL: whatever it was doing."""
        if not self.node.alive:
            return
        self.world.note(f"{self.name} crashes {when}")
        self.node.kill()
        if self.place.server is self:
            self.place.server = None
        for exchange in self.exchanges:
            self.world.network.broke(exchange)
        self.world.ended(self)

    def handle(self, work: Work, exchange: Exchange) -> asyncio.Task[Any]:
        """Work on a request as a task of this server."""
        self.exchanges[exchange] = None
        handler = self.node.start(self._handle(work))
        handler.add_done_callback(
            lambda _: self.exchanges.pop(exchange, None), context=self.node.context
        )
        return handler

    async def _handle(self, work: Work) -> Any:
        try:
            return await work(self)
        except (Refused, CapabilityRefusal):
            raise
        except Exception as error:
            self.world.broken(f"{self.name} failed on a request", error)
            raise Crashed from error

    def leave(self, handler: asyncio.Task[Any]) -> None:
        handler.cancel()


def new_id(at_ms: int, random: Random) -> str:
    """A UUID of version 7, the same again from the same seed."""
    chance = f"{random.getrandbits(74):019x}"
    time_text = f"{at_ms:012x}"
    tail = f"8{chance[4:7]}-{chance[7:19]}"
    return f"{time_text[:8]}-{time_text[8:]}-7{chance[:3]}-{tail}"
