"""One agent's machine: lives of the real agent over simulated keepers, phones and a real spool."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any, TypeVar, cast

import msgspec
from msgspec import Struct

from procession import protocol, reporting, working
from procession.agent.agent import Agent
from procession.agent.life import Life
from procession.agent.settings import AgentSettings
from procession.agent.spool import Spool
from procession.caller import Caller
from procession.capabilities.errors import CapabilityRefusal
from procession.client import Client, Refused, Verb
from procession.core import errors
from procession.faces.problem import status_of
from simulation.keeper import BOXES, Box, SimulatedNursery
from simulation.phones import CABINETS, Cabinet, Phone
from simulation.server import Crashed, Server
from simulation.timeline import Node

if TYPE_CHECKING:
    from simulation.world import World

SCOPES = frozenset({"execution:read", "execution:write", "fleet:write", "worker"})
CALLER = Caller("token", 1, "default", SCOPES)
MESSAGES: dict[str, type[Struct]] = {
    "register": protocol.Register,
    "claim": protocol.Claim,
    "heartbeat": protocol.Heartbeat,
    "report": protocol.Report,
    "finish": protocol.Finish,
    "drain": protocol.Drain,
}
T = TypeVar("T")
_json = msgspec.json.Encoder()


async def serve(server: Server, verb: str, body: bytes) -> bytes:
    """What the worker face does: decode, one operation, encode."""
    engine = server.engine
    message: Any = msgspec.json.decode(body, type=MESSAGES[verb])
    match verb:
        case "claim":
            items = await working.claim(engine, CALLER, message)
            return _json.encode(protocol.Claimed(items))
        case "heartbeat" | "report":
            orders = await getattr(reporting, verb)(engine, CALLER, message)
            return _json.encode(protocol.Orders(orders))
        case "drain":
            await working.drain(engine, CALLER, message.agent_id, message.registered_ms)
            return b"{}"
        case "register":
            return _json.encode(await working.register(engine, CALLER, message))
        case _:
            return _json.encode(await reporting.finish(engine, CALLER, message))


class SimulatedClient:
    """The client's one method an agent uses, over the simulated network."""

    def __init__(self, machine: Machine, node: Node) -> None:
        self._machine = machine
        self._node = node

    async def worker(
        self, verb: Verb, message: Struct, answer_type: type[T], timeout_s: float
    ) -> T:
        body = _json.encode(message)
        machine = self._machine
        try:
            answer = await machine.world.network.call(
                self._node,
                machine.name,
                machine.number,
                lambda server: serve(server, verb, body),
                timeout_s,
                leaves=verb == "claim",
            )
        except (errors.Refused, CapabilityRefusal) as refused:
            code = str(getattr(refused, "code", "refused"))
            raise Refused(status_of(refused), code, str(refused)) from None
        except Crashed:
            raise Refused(500, "unexpected", "it failed") from None
        return msgspec.json.decode(answer, type=answer_type)


class SimulatedSpool(Spool):
    """The spool on a disk that loses what was not synced when the power goes."""

    safe = 0

    def sync(self) -> None:
        self.safe = self._size()

    def _compact(self) -> None:
        super()._compact()
        self.safe = self._size()


class SimulatedLife:
    """What a life of an agent holds of its machine."""

    def __init__(self, folder: Path, mark: str) -> None:
        self.mark = mark
        self.runs_dir = folder
        self.spool = SimulatedSpool(folder / "spool.jsonl")


class Machine:
    """Where an agent lives, again and again."""

    def __init__(self, world: World, number: int, phones: list[Phone], folder: Path) -> None:
        self.world = world
        self.number = number
        self.name = f"a{number}"
        self.folder = folder
        self.random = Random(f"{world.plan.seed} {self.name}")
        self.cabinet = Cabinet(phones)
        self.port = id(self.cabinet)
        CABINETS[self.port] = self.cabinet
        self.lives = 0
        self.drains = False
        self.node: Node | None = None
        self.agent: Agent | None = None
        self.life: SimulatedLife | None = None
        self.box: Box | None = None
        folder.mkdir()

    @property
    def nursery(self) -> SimulatedNursery | None:
        return self.box.nursery if self.box else None

    def start(self) -> None:
        """A new life, which ends the orphans of the one before."""
        if self.node is not None:
            return
        self.lives += 1
        self.drains = False
        self.node = self.world.timeline.node(f"{self.name}.{self.lives}")
        self.world.note(f"{self.node.name} starts")
        self.node.live(self._live(self.node))

    async def _live(self, node: Node) -> None:
        await self._end_orphans()
        mark = f"{self.world.plan.seed} {node.name}"
        self.box = BOXES[mark] = Box(node, self.world.timeline, self.world.truth)
        self.life = SimulatedLife(self.folder, mark)
        settings = AgentSettings(
            server="http://server",
            token="token",
            agent_id=self.name,
            adb_path="adb",
            adb_port=self.port,
            fence=self.world.plan.fence,
            drain_ms=3_000,
        )
        client = cast(Client, SimulatedClient(self, node))
        self.agent = Agent(settings, client, cast(Life, self.life))
        await self.agent.serve()
        self.world.note(f"{node.name} has drained")
        self._close()

    async def _end_orphans(self) -> None:
        """As Life does before anything else: nothing of a former life is left."""
        before = self.nursery
        if before is None:
            return
        for _ in before.kill_orphans():
            await asyncio.sleep(0.02)
        while any(keeper.run for keeper in before.keepers):
            await asyncio.sleep(0.02)

    def _close(self) -> None:
        if self.life:
            self.life.spool.close()
        if self.node:
            self.world.network.died(self.node)
            self.node.kill()
        self.node = self.agent = self.life = None

    def crash(self, *, keepers_too: bool, orphans: bool, power: bool) -> None:
        """SIGKILL, of the agent alone or of everything, or the whole machine's power."""
        if self.node is None:
            return
        self.world.note(f"{self.node.name} is killed, keepers {keepers_too}, power {power}")
        life = self.life
        self._close()
        if self.nursery:
            self.nursery.agent_died(keepers_too=keepers_too or power, orphans=orphans)
        if life and power:
            self._lose_unsynced(life.spool)

    def _lose_unsynced(self, spool: SimulatedSpool) -> None:
        path = self.folder / "spool.jsonl"
        size = path.stat().st_size
        kept = self.random.randint(min(spool.safe, size), size)
        os.truncate(path, kept)

    def settled(self) -> bool:
        """The agent lives and is registered, and everything it had to say was answered."""
        life = self.life
        registered = self.agent is not None and self.agent._registered_ms is not None
        return (
            registered
            and life is not None
            and not life.spool.waiting()
            and not life.spool.interrupted()
        )
