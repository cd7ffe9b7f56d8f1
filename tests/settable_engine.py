"""An engine on a database of its own whose clock stands still until it is told to move."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from random import Random
from typing import Any

from msgspec import Raw
from watched_connection import WatchedConnection

from procession import fleet, loops, operations, reporting, working
from procession.caller import Caller
from procession.core.process import Item, Process, item_id_of
from procession.engine import Engine
from procession.protocol import (
    Assignment,
    Claim,
    Finish,
    FinishAnswer,
    Heartbeat,
    PhoneReport,
    Register,
    Result,
    RunError,
    RunOrder,
    RunReport,
)
from procession.settings import Settings
from procession.store.connection import Connection
from procession.store.ledger import Done, Ledger, ended, take_turn
from procession.store.migrate import migrate
from procession.store.sqlite import SqliteConnection
from procession.store.store import Store
from procession.store.turn import Submitted, Work
from procession.targets import Target
from procession.wakeup import Wakeup

START_MS = 1_700_000_000_000
LEASE_MS = 15_000
DEADLINE_S = 60.0
SCOPES = frozenset({"execution:read", "execution:write", "fleet:write", "worker"})
OPERATOR = Caller("token-1", 1, "default", SCOPES)
STRANGER = Caller("token-2", 2, "default", SCOPES)


class Clock:
    """Milliseconds since 1970, moved by hand."""

    def __init__(self) -> None:
        self.now_ms = START_MS

    def __call__(self) -> int:
        return self.now_ms


class InlineWriter:
    """Takes each turn at once, so that nothing but the test decides what happens when."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    def run(self, batch: Sequence[Work], done: Done) -> None:
        done(*ended(take_turn(self._store, batch, self._clock)))

    def close(self) -> None:
        return None


class Site:
    """An engine with what callers, agents and the passing of time do to it."""

    def __init__(self, engine: Engine, clock: Clock, connection: WatchedConnection) -> None:
        self.engine = engine
        self.clock = clock
        self.connection = connection
        self.chance = 0.5
        self.requests = 0
        self.random = Random(7)

    async def register(
        self,
        agent_id: str,
        *phone_ids: str,
        caller: Caller = OPERATOR,
        state: Any = "available",
    ) -> None:
        phones = [PhoneReport(phone_id, state) for phone_id in phone_ids]
        await working.register(self.engine, caller, Register(agent_id, 1, "1", ["echo"], phones))

    async def submit(
        self,
        target: Target | None = None,
        *,
        capability: str = "echo",
        inputs: str = "{}",
        caller: Caller = OPERATOR,
        **values: Any,
    ) -> Submitted:
        """A request to any free phone, unless said otherwise; each has a key of its own."""
        self.requests += 1
        fields: dict[str, Any] = {
            "capability": capability,
            "mode": "manual",
            "target": target or Target("queue"),
            "request_id": f"request-{self.requests}",
            "system": "test",
            "inputs": Raw(inputs.encode()),
            "requested_by": Raw(b'{"system":"test"}'),
        }
        request = operations.SubmitRequest(**(fields | values))
        return await operations.submit(self.engine, caller, request)

    async def run_of(self, process: Process, agent_id: str, *phone_ids: str) -> Assignment:
        """Claim until the first item of `process` was given, and have it started."""
        claimed = await self.claim(agent_id, *phone_ids)
        run = next(one for one in claimed if one.process_id == process.process_id)
        assert await self.beat(agent_id, run, started=True) == []
        return run

    async def claim(
        self, agent_id: str, *phone_ids: str, caller: Caller = OPERATOR
    ) -> list[Assignment]:
        claim = Claim(agent_id, list(phone_ids), wait_ms=0)
        return await working.claim(self.engine, caller, claim)

    async def beat(
        self, agent_id: str, *runs: Assignment, caller: Caller = OPERATOR, **values: Any
    ) -> list[RunOrder]:
        reports = [RunReport(run.item_id, run.attempt, **values) for run in runs]
        return await reporting.heartbeat(self.engine, caller, Heartbeat(agent_id, reports))

    async def finish(
        self,
        agent_id: str,
        run: Assignment,
        outcome: Any = "completed",
        *,
        caller: Caller = OPERATOR,
        retry: bool = False,
        output: str = "",
    ) -> FinishAnswer:
        error = RunError("it failed", retry=retry) if outcome == "failed" else None
        result = Result(run.item_id, run.attempt, outcome, error=error, output=output)
        done = await reporting.finish(self.engine, caller, Finish(agent_id, [result]))
        return done.answers[0]

    async def cancel(
        self, process: Process, strategy: str = "hard", force_after_ms: int = 10_000
    ) -> operations.Cancelled:
        return await operations.cancel(
            self.engine,
            OPERATOR,
            process.process_id,
            strategy=strategy,
            reason="enough",
            force_after_ms=force_after_ms,
        )

    async def process(self, process: Process) -> Process:
        return await operations.find(self.engine, OPERATOR, process.process_id)

    async def item(self, process: Process, position: int = 0) -> Item:
        item_id = item_id_of(process.process_id, position)
        return (await self.engine.store.items([item_id]))[item_id]

    async def add_account(self, account_id: str, **values: Any) -> None:
        account = fleet.Account(account_id, **values)
        await fleet.create_account(self.engine, OPERATOR, account)

    async def step(self) -> None:
        """Everything that is due now, as the loops would find it."""
        deadlines = (loops.ItemDeadlines(self.engine), loops.ProcessDeadlines(self.engine))
        while sum([await loop.step(self.clock.now_ms) for loop in deadlines]):
            pass

    async def pass_ms(self, duration_ms: int) -> None:
        """Time passes; what is due on the way happens when it is due."""
        until_ms = self.clock.now_ms + duration_ms
        while (due_ms := await self._next_due_ms()) is not None and due_ms <= until_ms:
            self.clock.now_ms = max(self.clock.now_ms, due_ms)
            await self.step()
        self.clock.now_ms = until_ms

    async def _next_due_ms(self) -> int | None:
        found = await self.connection.fetch("next_item_due")
        due = [found[0][0]] + [p.due_ms for p in await self._all_processes()]
        return min((at_ms for at_ms in due if at_ms is not None), default=None)

    async def _all_processes(self) -> list[Process]:
        wanted = operations.Filter()
        return [
            process
            for tenant_id in (1, 2)
            for process in await self.engine.store.list_processes(tenant_id, wanted, limit=10_000)
        ]


def new_id(at_ms: int, random: Random) -> str:
    """A UUID of version 7, the same again from the same seed."""
    chance = f"{random.getrandbits(74):019x}"
    time_text = f"{at_ms:012x}"
    tail = f"8{chance[4:7]}-{chance[7:19]}"
    return f"{time_text[:8]}-{time_text[8:]}-7{chance[:3]}-{tail}"


@asynccontextmanager
async def settable(inner: Connection | None = None, **settings: Any) -> AsyncIterator[Site]:
    """A site on a new database in memory, or on the one given (migrated already)."""
    own = SqliteConnection(":memory:") if inner is None else None
    if own is not None:
        ended(migrate(own, START_MS))
    watched = WatchedConnection(inner or own)  # type: ignore[arg-type]
    clock, wakeup = Clock(), Wakeup()
    ledger = Ledger(InlineWriter(Store(watched), clock), wakeup.saved)
    engine = Engine(
        ledger=ledger,
        store=Store(watched),
        wakeup=wakeup,
        settings=Settings(lease_ms=LEASE_MS, **settings),
        now_ms=clock,
        chance=lambda: site.chance,
        new_id=lambda at_ms: new_id(at_ms, site.random),
    )
    site = Site(engine, clock, watched)
    try:
        async with asyncio.timeout(DEADLINE_S):
            yield site
    finally:
        await ledger.close()
        if own is not None:
            own.close()
