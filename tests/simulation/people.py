"""People and programs that use the servers: they submit, look, stop, try again, decide."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from random import Random
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Raw, Struct

from procession import bulk, operations
from procession.capabilities.errors import CapabilityRefusal
from procession.client import Unreachable
from procession.core.errors import Overloaded, Refused
from procession.core.process import Process
from procession.core.states import ItemState, State
from procession.core.stopping import STRATEGIES
from procession.engine import Engine
from procession.store.store import Filter
from procession.targets import Target
from simulation.agent import CALLER
from simulation.capabilities import NAMES
from simulation.keeper import Script
from simulation.receiver import ORIGINS
from simulation.server import Crashed, Server

if TYPE_CHECKING:
    from simulation.world import World

CALL_S = 5.0
TRIES_MAX = 8
ENDS = ("completed",) * 6 + ("failed", "again", "again", "infra", "crash")


class Order(Struct, eq=False):
    """One request as it was thought of; `process_id` once a server has accepted it."""

    request_id: str
    request: operations.SubmitRequest
    process_id: str = ""
    refused: bool = False


class Promise(Struct):
    """A cancel that was answered: when, in seconds of service, its process must have ended."""

    process_id: str
    until_s: float


class Person:
    """Acts until the chaos is over."""

    def __init__(self, world: World, number: int) -> None:
        self.world = world
        self.number = number
        self.name = f"u{number}"
        self.node = world.timeline.node(self.name)
        self.random = Random(f"{world.plan.seed} {self.name}")
        self.node.live(self._act())

    async def _act(self) -> None:
        pause_s = self.world.plan.chaos_s / (self.world.plan.requests + 4)
        acts = self._acts()
        while not self.world.healing:
            await self.random.choice(acts)()
            await asyncio.sleep(self.random.expovariate(1 / pause_s))

    def _acts(self) -> list[Callable[[], Awaitable[None]]]:
        plan = self.world.plan
        acts: list[Callable[[], Awaitable[None]]] = [self._submit] * 4
        acts += [self._submit_again, self._follow]
        if plan.has("people_stop_work"):
            acts += [self._cancel] * 4 + [self._bulk_cancel]
        if plan.has("people_try_again"):
            acts += [self._retry, self._retry, self._answer]
            acts += [self._bulk_retry] if plan.in_bulk else [self._retry]
        return acts

    async def ask(
        self,
        work: Callable[[Engine], Awaitable[Any]],
        unknown: Callable[[], None] = lambda: None,
    ) -> Any:
        """The answer, or None when nobody gave one. Raises what it was refused with.

        `unknown` hears of each try that may have been done and was not answered.
        """
        for _ in range(TRIES_MAX):
            try:
                return await self.world.network.call(
                    self.node, self.name, self.number, lambda s: _use(s, work), CALL_S
                )
            except (Unreachable, Overloaded, Crashed):
                unknown()
                await asyncio.sleep(self.random.expovariate(1))
        return None

    async def _submit(self) -> None:
        orders = self.world.orders
        if len(orders) >= self.world.plan.requests:
            return
        order = Order(f"r{len(orders)}", self._request(f"r{len(orders)}"))
        orders.append(order)
        await self._send(order)

    async def _submit_again(self) -> None:
        if self.world.orders:
            await self._send(self.random.choice(self.world.orders))

    async def _send(self, order: Order) -> None:
        known = order.process_id
        try:
            submitted = await self.ask(lambda e: operations.submit(e, CALLER, order.request))
        except (Refused, CapabilityRefusal) as refused:
            if known:
                self.world.broken(f"{order.request_id} was accepted, and is refused: {refused!r}")
            return
        if submitted is None:
            return
        process_id = submitted.process.process_id
        if order.process_id not in ("", process_id):
            self.world.broken(f"{order.request_id} is {order.process_id} and {process_id}")
        if not order.process_id:
            self.world.note(f"{order.request_id} is {process_id[-4:]}")
        order.process_id = process_id

    def _request(self, request_id: str) -> operations.SubmitRequest:
        random = self.random
        # Past the time limit of the capabilities, now and then.
        seconds = 30.0 if random.random() < 0.03 else random.choice((0.05, 1.0, 2.0, 4.0, 9.0))
        script = Script(
            s=seconds,
            end=random.choice(ENDS),
            tell=random.random() < 0.5,
            term=random.random() < 0.5,
            die_s=random.choice((0.01, 0.3, 1.0)),
        )
        callback = random.choice((*ORIGINS, ""))
        later_ms = self.world.turn_ms() + 3_000 if random.random() < 0.1 else None
        return operations.SubmitRequest(
            capability=random.choice((*NAMES, "again")),
            mode="manual",
            target=self._target(),
            request_id=request_id,
            system="simulation",
            inputs=Raw(msgspec.json.encode(script)),
            requested_by=Raw(b"{}"),
            callback_url=callback and callback + "/hook",
            callback_origin=callback,
            not_before_ms=later_ms,
        )

    def _target(self) -> Target:
        random = self.random
        phones = sorted({phone.phone_id for m in self.world.machines for phone in m.cabinet.phones})
        if random.random() < 0.5:
            return Target("queue")
        count = random.randint(1, min(3, len(phones)))
        return Target("group", phone_ids=tuple(random.sample(phones, count)))

    def _some(self, *states: State) -> str:
        """A process somebody knows of; mostly one in these states, where there is any."""
        known = [order.process_id for order in self.world.orders if order.process_id]
        if self.random.random() < 0.8:
            there = {one for state in states for one in self.world.judge.in_state(state)}
            known = [one for one in known if one in there] or known
        return self.random.choice(known) if known else ""

    async def _follow(self) -> None:
        process_id = self._some()
        if not process_id:
            return
        seen = 0
        for _ in range(3):
            process: Process | None = await self.ask(
                lambda e: operations.wait_for(e, CALLER, process_id, seen, 2_000)  # noqa: B023
            )
            if process is None:
                return
            if process.version <= seen:
                self.world.broken(f"{process_id} went back from {seen} to {process.version}")
            seen = process.version

    async def _cancel(self) -> None:
        process_id = self._some(State.RUNNING)
        if process_id:
            strategy = self.random.choice(STRATEGIES)
            force_after_ms = self.random.choice((0, 500, 2_000))
            await self.cancel(process_id, strategy, force_after_ms)

    async def cancel(self, process_id: str, strategy: str, force_after_ms: int) -> None:
        """Stop it; its end is promised from the moment of the answer."""
        cancelled = await self.ask(
            lambda e: operations.cancel(
                e,
                CALLER,
                process_id,
                strategy=strategy,
                reason="enough",
                force_after_ms=force_after_ms,
            )
        )
        if cancelled is None or cancelled.ignored:
            return
        self.world.note(f"{strategy} cancel of {process_id[-4:]} is answered")
        if strategy != "soft":
            delay_s = 0.0 if strategy == "hard" else force_after_ms / 1000
            self.world.judge.promised(process_id, delay_s)

    async def _retry(self) -> None:
        process_id = self._some(State.FAILED, State.PARTIAL)
        if process_id:
            self.world.tried_again(process_id)
            refused = await self._try(
                lambda e: operations.retry(e, CALLER, process_id),
                lambda: self.world.tried_again(process_id),
            )
            if refused:
                self.world.tried_again(process_id, -1)

    async def _answer(self) -> None:
        process_id = self._some(State.WAITING)
        if process_id:
            decision = self.random.choice(("retry", "fail"))
            await self.answer(process_id, decision)

    async def answer(self, process_id: str, decision: str) -> None:
        """Decide about every item of a process that waits for a person."""

        async def decide(engine: Engine) -> None:
            for item in await operations.items(engine, CALLER, process_id, "", 100):
                if item.state is ItemState.WAITING:
                    await operations.answer(engine, CALLER, process_id, item.item_id, decision)

        await self._try(decide)

    async def _try(
        self,
        work: Callable[[Engine], Awaitable[Any]],
        unknown: Callable[[], None] = lambda: None,
    ) -> bool:
        """Whether it was refused; `unknown` as for `ask`."""
        try:
            await self.ask(work, unknown)
        except Refused as refused:
            self.world.note(f"{self.name} is refused: {refused.code}")
            return True
        return False

    async def _bulk_cancel(self) -> None:
        wanted = Filter(states=(self.random.choice(("queued", "running", "retrying")),))
        await self._try(
            lambda e: bulk.bulk_cancel(
                e,
                CALLER,
                wanted,
                strategy=self.random.choice(STRATEGIES),
                reason="all",
                force_after_ms=1_000,
                dry_run=False,
            )
        )

    async def _bulk_retry(self) -> None:
        self.world.retried_in_bulk = True
        await self._try(lambda e: bulk.bulk_retry(e, CALLER, Filter(), dry_run=False))


class Operator(Person):
    """Once the chaos is over: decides what waits, puts phones back to work, may stop the rest."""

    EVERY_S = 2.0
    PATIENCE_S = 3.0

    async def _act(self) -> None:
        ends_s = self.world.timeline.now_s + self.PATIENCE_S
        while True:
            if not self.world.plan.patient and self.world.timeline.now_s > ends_s:
                for process_id in self.world.judge.unfinished():
                    await self.cancel(process_id, "hard", 0)
            for machine in self.world.machines:
                if machine.agent is not None:
                    machine.agent.phones.lift_quarantines()
            for process_id in self.world.judge.in_state(State.WAITING):
                await self.answer(process_id, "fail")
            await asyncio.sleep(self.EVERY_S)


async def _use(server: Server, work: Callable[[Engine], Awaitable[Any]]) -> Any:
    return await work(server.engine)
