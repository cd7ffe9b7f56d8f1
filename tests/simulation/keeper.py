"""Keepers and runs below the seam where the agent speaks to them: seats and messages are real."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from pathlib import Path
from random import Random
from typing import Any

import msgspec
from msgspec import Struct

from procession.agent.frames import Began, Ended, FromKeeper, Progress, Renew, Said, Start, Stop
from procession.agent.keeper import NEVER_BEGUN
from simulation.timeline import Handle, Node, Timeline
from simulation.truth import Run, Truth

PIPE_S = 0.001
"""A message between agent and keeper."""
SWEPT_S = 0.02
TERM_S = 0.2
PROGRESS_S = 1.5


class Script(Struct):
    """A run's inputs: what it will do."""

    s: float = 1.0
    end: str = "completed"
    """completed, failed, again (failed, worth another try), infra, crash."""
    tell: bool = True
    """Whether it stops when told."""
    term: bool = True
    die_s: float = 0.05
    """How long the kernel takes to be rid of it after SIGKILL."""


class Keeper:
    """One keeper process with its run; lives on when its agent is stopped."""

    def __init__(self, nursery: SimulatedNursery, pid: int) -> None:
        self.nursery = nursery
        self.pid = pid
        self.node: Node = nursery.timeline.node(f"{nursery.life} keeper {pid}")
        self.inbox: asyncio.Queue[FromKeeper | None] = asyncio.Queue()
        self.run: Run | None = None
        self._script = Script()
        self._start: Start | None = None
        self._until_s = 0.0
        self._signalled = self._lapsed = self._dying = False
        self._timers: list[Handle] = []
        self.gone = asyncio.Event()

    def take(self, message: Start | Stop | Renew) -> None:
        if isinstance(message, Start):
            if self.nursery.now_s() >= message.until_s:
                self._tell(NEVER_BEGUN)
            else:
                self._begin(message)
        elif self.run is None:
            return
        elif isinstance(message, Renew):
            self._until_s = message.until_s
            self._watch_lease()
        elif message.stage == "tell":
            if self._script.tell:
                self._ends_in(0.1, "stopped", Said("stopped"))
        elif message.stage == "term":
            self._signalled = True
            if self._script.term:
                self._ends_in(TERM_S, "stopped", Said("stopped"))
        else:
            self.kill_run("killed")

    def _begin(self, start: Start) -> None:
        self._start = start
        self._script = msgspec.json.decode(start.inputs, type=Script)
        self._signalled = self._lapsed = self._dying = False
        self._until_s = start.until_s
        self.run = self.nursery.truth.begin(
            start.item_id,
            start.attempt,
            start.phone_id,
            self.nursery.life,
            start.process_id,
            start.capability != "again",
        )
        self._tell(Began(self.pid * 1000))
        self._ends_in(self._script.s, self._script.end, self._said(start))
        self._timers.append(self.node.call_later(PROGRESS_S, self._progress, self.run))
        self._watch_lease()

    def _said(self, start: Start) -> Said | None:
        match self._script.end:
            case "completed":
                result = {"item": start.item_id, "attempt": start.attempt}
                return Said("completed", msgspec.json.encode(result))
            case "crash":
                return None
            case how:
                infra = how == "infra"
                return Said("failed", b"{}", how, retry=how != "failed", infrastructure=infra)

    def _progress(self, run: Run) -> None:
        if run is self.run and not self._dying:
            self._tell(Progress(50.0, "half"))
            self._timers.append(self.node.call_later(PROGRESS_S, self._progress, run))

    def _watch_lease(self) -> None:
        left_s = self._until_s - self.nursery.now_s()
        self._timers.append(self.node.call_later(left_s + 0.001, self._lapse, self.run))

    def _lapse(self, run: Run) -> None:
        if run is self.run and self.nursery.now_s() >= self._until_s and not self._lapsed:
            self._lapsed = True
            self.kill_run("killed by its keeper")

    def kill_run(self, why: str) -> None:
        """SIGKILL to all of it."""
        if self.run is not None and not self._dying:
            self._signalled = self._dying = True
            self._ends_in(self._script.die_s, why, None)

    def crash_run(self) -> None:
        """The run ends by a fault of its own."""
        self._ends_in(0.0, "crashed", None)

    def _ends_in(self, seconds: float, how: str, said: Said | None) -> None:
        handle = self.node.call_later(seconds, self._end, self.run, how, said)
        self._timers.append(handle)

    def _end(self, run: Run, how: str, said: Said | None) -> None:
        if run is not self.run or (self._dying and said is not None):
            return
        self._forget_run(how)
        output = f"{run.item_id} {run.attempt}".encode()
        status = 0 if said else -9
        self._tell(Ended(said, status, self._signalled, self._lapsed, 0, output, False))

    def _forget_run(self, how: str) -> None:
        run, self.run = self.run, None
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()
        if run is not None:
            self.nursery.truth.end(run, how)

    def _tell(self, message: FromKeeper | None) -> None:
        """To the agent's end of the socket."""
        delay_s = PIPE_S * self.nursery.random.random()
        self.nursery.node.call_later(delay_s, self.inbox.put_nowait, message)

    def die(self, *, with_run: bool = True) -> None:
        """SIGKILL to the keeper: its run dies with it, unless it got away."""
        if not self.node.alive:
            return
        self.node.kill()
        self._tell(None)
        if self.run is None or with_run:
            delay_s = self._script.die_s if self.run else 0.0
            self.nursery.timeline.world.call_later(delay_s, self._swept, self.run)
        else:
            # An orphan: it ends by itself, if no new life of the agent kills it before.
            self.run.orphan = True
            self.nursery.orphans[self] = None
            self.nursery.timeline.world.call_later(self._script.s, self.kill_orphan)

    def kill_orphan(self) -> None:
        self.nursery.orphans.pop(self, None)
        self._swept(self.run)

    def _swept(self, run: Run | None) -> None:
        if run is self.run:
            self._forget_run("killed with its keeper")
        self.nursery.node.call_later(SWEPT_S, self.gone.set)


class SimulatedSeat:
    """A keeper as the agent sees it."""

    def __init__(self, keeper: Keeper) -> None:
        self._keeper = keeper
        self.pid = keeper.pid

    def send(self, message: Any) -> None:
        keeper = self._keeper
        keeper.node.call_later(PIPE_S * keeper.nursery.random.random(), keeper.take, message)

    async def receive(self) -> FromKeeper:
        message = await self._keeper.inbox.get()
        if message is None:
            raise EOFError
        return message

    def close(self) -> None:
        keeper = self._keeper
        keeper.nursery.timeline.world.call_later(PIPE_S, keeper.die)

    async def until_gone(self) -> None:
        await self._keeper.gone.wait()


class SimulatedNursery:
    """Hires keepers. Handed to the agent in place of its own; `box` says of what world it is."""

    def __init__(self, runs_dir: Path, mark: str) -> None:
        self.box: Box = BOXES[mark]
        self.life = mark
        self.node, self.timeline, self.truth = self.box.node, self.box.timeline, self.box.truth
        self.random = Random(mark)
        self.keepers: list[Keeper] = []
        self.orphans: dict[Keeper, None] = {}
        self.box.nursery = self

    def now_s(self) -> float:
        return self.timeline.now_s

    async def hire(self) -> SimulatedSeat:
        await asyncio.sleep(self.random.random() * 0.01)
        keeper = Keeper(self, len(self.keepers) + 1)
        self.keepers.append(keeper)
        return SimulatedSeat(keeper)

    async def until_swept(self, seat: SimulatedSeat) -> None:
        seat.close()
        await seat.until_gone()

    async def close(self) -> None:
        for keeper in self.living():
            keeper.die()
        while any(keeper.run for keeper in self.keepers):
            await asyncio.sleep(SWEPT_S)

    def living(self) -> list[Keeper]:
        return [keeper for keeper in self.keepers if keeper.node.alive]

    def working(self) -> list[Keeper]:
        return [keeper for keeper in self.living() if keeper.run]

    def agent_died(self, *, keepers_too: bool, orphans: bool) -> None:
        """Each keeper sees its agent's end close and kills its run, if it is not killed itself."""
        for keeper in self.living():
            delay_s = 0.0 if keepers_too else self.random.random() * 0.05
            away = orphans and keepers_too and self.random.random() < 0.5
            keeper.nursery.timeline.world.call_later(delay_s, _die, keeper, not away)

    def kill_orphans(self) -> Iterable[Keeper]:
        for keeper in list(self.orphans):
            keeper.kill_orphan()
            yield keeper


def _die(keeper: Keeper, with_run: bool) -> None:
    keeper.die(with_run=with_run)


class Box(Struct, eq=False):
    """What a nursery needs of its world, found by the mark of its agent's life."""

    node: Node
    timeline: Timeline
    truth: Truth
    nursery: SimulatedNursery | None = None


BOXES: dict[str, Box] = {}
