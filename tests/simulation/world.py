"""A world made from a seed: servers, agents, phones, people, what goes wrong, and who judges."""

from __future__ import annotations

import hashlib
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from random import Random
from typing import Any
from unittest.mock import patch

import structlog
from msgspec import Struct

from procession.agent import agent as agent_module
from procession.agent import phones as phones_module
from procession.agent import processes
from procession.capabilities import registry
from procession.core.errors import Overloaded
from simulation.agent import Machine
from simulation.capabilities import CATALOG
from simulation.database import START_MS, Database
from simulation.faults import Faults
from simulation.judge import Judge
from simulation.keeper import SimulatedNursery
from simulation.network import Network, Place
from simulation.people import Operator, Order, Person
from simulation.phones import Phone, SimulatedAdb
from simulation.plan import Plan
from simulation.receiver import Receiver
from simulation.server import Server
from simulation.timeline import RunsInCircles, Timeline
from simulation.truth import Truth

QUIET_S_MAX = 400.0
MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None


class Outcome(Struct):
    """What became of a world."""

    seed: int
    plan: Plan
    broken: list[str]
    trace: list[str]
    digest: str
    lasted_s: float
    runs: int
    commits: int


class World:
    """Everything of one seed."""

    def __init__(self, plan: Plan, folder: Path) -> None:
        self.plan = plan
        self.trace: list[str] = []
        self.problems: list[str] = []
        self.healing = False
        seed = plan.seed
        self.timeline = Timeline(Random(f"{seed} timeline"), self.failed)  # type: ignore[abstract]
        self.database = Database(self.timeline, Random(f"{seed} database"))
        self.network = Network(self.timeline, Random(f"{seed} network"), plan)
        self.truth = Truth(self.timeline, self.note, self.broken)
        self.receiver = Receiver(Random(f"{seed} receiver"), plan.has("receiver_fails"))
        self.clocks_ms: dict[str, int] = {}
        self.orders: list[Order] = []
        self.retries: dict[str, int] = {}
        self.retried_in_bulk = False
        self._random = Random(f"{seed} world")
        self._lives: dict[str, int] = {}
        self._starting: list[Server] = []
        self.machines = [
            Machine(self, number, phones, folder / f"a{number}")
            for number, phones in enumerate(self._phones())
        ]
        self.people: list[Person] = []
        self.timeline.world.call_later(0, self._begin)

    def _phones(self) -> list[list[Phone]]:
        plan = self.plan
        shared = Phone("p-roams")
        lists = []
        for number in range(plan.agents):
            own = [Phone(f"p{number}-{place}") for place in range(plan.phones)]
            lists.append([shared, *own[1:]] if plan.roaming else own)
        return lists

    def _begin(self) -> None:
        for number in range(self.plan.servers):
            place = Place(f"s{number}")
            self.network.places.append(place)
            self._start_server(place)
        self.judge = Judge(self)
        self.database.disturbed = self.judge.disturbed
        self.truth.reopened = self.judge.reopened
        self.database.saved = self.truth.begun = self.judge.look_at_holds
        for machine in self.machines:
            machine.start()
        self.people = [Person(self, number) for number in range(self.plan.people)]
        self.faults = Faults(self)

    def servers(self) -> list[Server]:
        """Those that serve now."""
        return [place.server for place in self.network.places if place.server]

    def _start_server(self, place: Place) -> None:
        self._lives[place.name] = self._lives.get(place.name, 0) + 1
        Server(self, place, self._lives[place.name])

    def ended(self, server: Server) -> None:
        """A server is gone; whoever watches it starts another."""
        pause_s = self._random.choice((0.1, 1.0, 5.0)) * self._random.random()
        pause_s = 0.1 if self.healing else pause_s
        self.timeline.world.call_later(pause_s, self._start_server, server.place)

    def turn_ms(self) -> int:
        """The clock everything in the ledger is counted by."""
        own_ms = 0 if self.plan.shared else self.clocks_ms.get("s0", 0)
        return self.database.now_ms() + own_ms

    def tried_again(self, process_id: str, times: int = 1) -> None:
        """A person was told that this is tried again, or was told nothing."""
        self.retries[process_id] = self.retries.get(process_id, 0) + times

    def note(self, text: str) -> None:
        self.trace.append(f"{self.timeline.now_s:9.3f} {text}")

    def broken(self, why: str, error: BaseException | None = None) -> None:
        told = f"{why}: {error!r}" if error else why
        self.problems.append(told)
        self.note("BROKEN " + told)

    def failed(self, what: str, error: BaseException | None) -> None:
        self.broken(f"failed: {what}", error)

    def logged(self, event: dict[str, Any]) -> None:
        """What our own code logs: an exception there is expected only of an absent database."""
        told = event.pop("exc_info", None)
        if told:
            error = told if isinstance(told, BaseException) else sys.exc_info()[1]
            if not isinstance(error, Overloaded):
                self.broken(f"log {event}", error)

    def mend_phones(self) -> None:
        for machine in self.machines:
            for phone in machine.cabinet.phones:
                phone.gone = phone.hung = False
            machine.cabinet.changed()

    def heal(self) -> None:
        """Nothing goes wrong any more; what is down is started."""
        self.note("all heals")
        self.healing = self.network.healed = True
        self.network.cut.clear()
        self.database.away_until_s = 0.0
        self.receiver.fails = False
        plan = self.plan
        plan.crash_in_turn = plan.crash_at_commit = plan.lost_in_turn = plan.lost_at_commit = 0.0
        self.mend_phones()
        self.operator = Operator(self, 99)

    def keep_agents(self) -> None:
        """Start the agents that are not there, some time after they went."""
        for machine in self.machines:
            if machine.node is None and (self.healing or self._random.random() < 0.3):
                machine.start()
        self.timeline.world.call_later(0.5, self.keep_agents)

    def live(self) -> None:
        """To the end, or to the first thing that does not hold."""
        self.timeline.world.call_later(0.5, self.keep_agents)
        try:
            self.timeline.run_until(self.plan.chaos_s, lambda: bool(self.problems))
            if not self.problems:
                self.timeline.world.context.run(self.heal)
                self._settle()
            if not self.problems:
                self.judge.finally_()
        except RunsInCircles as error:
            self.broken("runs in circles", error)

    def _settle(self) -> None:
        end_s = self.timeline.now_s + QUIET_S_MAX
        while not self.problems:
            next_s = self.timeline.now_s + 1.0
            self.timeline.run_until(next_s, lambda: bool(self.problems))
            if self.judge.settled():
                return
            if self.timeline.now_s >= end_s:
                self.broken(f"not settled: {self.judge.unsettled()}")

    def outcome(self) -> Outcome:
        rows = self.database.ask(
            "SELECT process_id, seq, name, at_ms, data FROM event ORDER BY 1, 2"
        )
        text = "\n".join(self.trace) + repr(rows)
        return Outcome(
            seed=self.plan.seed,
            plan=self.plan,
            broken=self.problems,
            trace=self.trace,
            digest=hashlib.sha256(text.encode()).hexdigest()[:16],
            lasted_s=self.timeline.now_s,
            runs=len(self.truth.runs),
            commits=self.database.commits,
        )


_current: list[World] = []


def _catch(_logger: object, _method: str, event: Any) -> Any:
    if _current:
        _current[-1].logged(event)
    raise structlog.DropEvent


@contextmanager
def _seams() -> Iterator[None]:
    """Where the agent meets its machine, and where it would read a clock."""
    with ExitStack() as stack:
        stack.enter_context(patch.object(agent_module, "Nursery", SimulatedNursery))
        stack.enter_context(patch.object(agent_module, "version", lambda _: "simulated"))
        stack.enter_context(patch.object(phones_module, "AdbServer", SimulatedAdb))
        stack.enter_context(patch.object(registry, "_catalog", lambda: CATALOG))
        stack.enter_context(patch.object(processes, "now_s", lambda: _current[-1].timeline.now_s))
        before = structlog.get_config()
        structlog.configure(processors=[_catch])
        stack.callback(structlog.configure, **before)
        yield


def live(plan: Plan) -> Outcome:
    """The whole life of a world.

    What was left half done in it stays so: call it in a process that ends with `os._exit`.
    """
    with tempfile.TemporaryDirectory(dir=MEMORY) as folder, _seams():
        world = World(plan, Path(folder))
        _current.append(world)
        world.live()
        _current.clear()
        return world.outcome()


__all__ = ["START_MS", "Outcome", "World", "live"]
