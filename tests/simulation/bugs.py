"""Bugs put in on purpose: the simulation is trusted because it finds each of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from procession import working
from procession.agent import fence
from procession.agent.reports import Reports
from procession.core import lifecycle, stopping
from procession.core.process import Change, Item, Process
from procession.store.database_clock import DatabaseClock
from procession.webhooks.delivery import Answer
from procession.webhooks.visit import Visitor
from simulation.database import Writer
from simulation.plan import Plan, plan_of

SEEDS_MAX = 150
BUSY = {"chaos_s": 16.0, "requests": 12, "people": 3, "pauses_s": 1.0, "lease_ms": 3_000}
"""Much at once, so that what is rare happens sooner."""
CROWD = BUSY | {"agents": 3, "phones": 2}
CALM = {"pauses_s": 4.0, "patient": True}


class Bug(NamedTuple):
    """`plant` puts it in for good: in a process that ends. `faults` and `world`: where it shows.

    `seed` is one that found it: looked at first, though another may find it by now.
    """

    seed: int
    plant: Callable[[], None]
    faults: frozenset[str]
    world: Mapping[str, Any]

    def seeds(self) -> Sequence[int]:
        """Where to look, in order."""
        return [self.seed, *(seed for seed in range(SEEDS_MAX) if seed != self.seed)]

    def plan(self, seed: int) -> Plan:
        """The world of a seed, with what the bug needs to show."""
        return plan_of(seed, self.faults, self.world)


def a_fence_that_ignores_the_attempt() -> None:
    """A late worker is taken for the present one."""
    lifecycle.held_by = lambda item, **_: item


def a_lease_without_grace() -> None:
    """The phone is given away while the last kill may still be under way."""
    for module in (stopping, lifecycle):
        setattr(module, "GRACE_MS", -2_000)  # noqa: B010


def a_commit_that_is_guessed() -> None:
    """The answer to a COMMIT is lost: the turn is taken for not done, and run again."""

    async def guessed(self: Writer, *, committed: bool) -> None:
        raise ConnectionResetError("the connection broke at the commit")

    Writer.answer_lost = guessed  # type: ignore[method-assign]


def a_delivery_that_is_delivered_before_it_is_sent() -> None:
    """What came of a callback is written before it is posted."""
    honest = Visitor._send

    async def send(self: Any, origin: str, host: Any, batch: Any, clock: Any) -> None:
        early = [self._outcome(one, Answer(200, None, 0), clock()) for one in batch.line]
        await self._outbox.record(early, clock())
        await honest(self, origin, host, batch, clock)

    Visitor._send = send  # type: ignore[method-assign]


def a_keeper_that_waits_too_long() -> None:
    """A run outlives its lease when its agent is cut off."""
    fence.KILL_AT = fence.STOP_AT = 2.5


def a_clock_that_is_the_servers_own() -> None:
    """Leases are counted by whichever server takes the turn."""
    DatabaseClock.now_ms = lambda self: self._wall_ms()  # type: ignore[method-assign]


def a_start_nobody_waits_for() -> None:
    """A run that must not be repeated begins before the server knows."""

    async def start(self: Any, held: Any) -> bool:
        return True

    Reports.start = start  # type: ignore[method-assign]


def a_cancel_that_is_never_forced() -> None:
    """The kill that was promised is not ordered."""

    def force(process: Process, items: Sequence[Item], now_ms: int) -> Change:
        return Change(process)

    stopping.force = force


def a_drain_that_binds_every_life() -> None:
    """What a former life of an agent said last holds for the present one."""
    honest = working.drain

    async def drain(engine: Any, caller: Any, agent_id: str, _: int | None = None) -> None:
        await honest(engine, caller, agent_id)

    working.drain = drain  # type: ignore[assignment]


def _bug(seed: int, plant: Callable[[], None], *faults: str, **world: Any) -> Bug:
    return Bug(seed, plant, frozenset(faults), world)


BUGS: dict[str, Bug] = {
    bug.plant.__name__: bug
    for bug in (
        _bug(20, a_fence_that_ignores_the_attempt, "partitions", "agents_freeze", **CROWD),
        _bug(0, a_lease_without_grace, "partitions", **CROWD, roaming=True),
        _bug(2, a_commit_that_is_guessed, "turns_lost", **BUSY, shared=True, lost_at_commit=0.05),
        _bug(0, a_delivery_that_is_delivered_before_it_is_sent, "receiver_fails", **BUSY),
        _bug(3, a_keeper_that_waits_too_long, "partitions", **CROWD),
        _bug(0, a_clock_that_is_the_servers_own, "clocks_wrong", **BUSY, shared=True, servers=3),
        _bug(0, a_start_nobody_waits_for, "agents_crash", **CROWD),
        _bug(2, a_cancel_that_is_never_forced, "people_stop_work", **CROWD | CALM),
        _bug(0, a_drain_that_binds_every_life, "agents_drain", **CROWD, slow=0.3),
    )
}
