"""Bugs put in on purpose: the simulation is trusted because it finds each of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
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

SEEDS_EACH = 150
LOOKED_AT = 20_000


class Bug(NamedTuple):
    """`plant` puts it in, for good: in a process that ends; `wants` says where it can show.

    `seed` is one that found it: looked at first, though another may find it by now.
    """

    seed: int
    plant: Callable[[], None]
    wants: Callable[[Plan], bool]

    def seeds(self) -> Sequence[int]:
        """The first seeds whose worlds can show it."""
        found = [self.seed]
        for seed in range(LOOKED_AT):
            if self.wants(plan_of(seed)):
                found.append(seed)
            if len(found) == SEEDS_EACH:
                break
        return found


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


BUGS: dict[str, Bug] = {
    bug.plant.__name__: bug
    for bug in (
        Bug(
            707,
            a_fence_that_ignores_the_attempt,
            lambda p: p.has("partitions") and p.agents > 1 and p.lease_ms < 6_000 and p.chaos_s > 6,
        ),
        Bug(
            68, a_lease_without_grace, lambda p: p.roaming and p.agents > 1 and p.has("partitions")
        ),
        Bug(584, a_commit_that_is_guessed, lambda p: p.lost_at_commit > 0.01 and not p.twice),
        Bug(
            75,
            a_delivery_that_is_delivered_before_it_is_sent,
            lambda p: p.has("receiver_fails") or p.has("servers_crash"),
        ),
        Bug(
            348,
            a_keeper_that_waits_too_long,
            lambda p: p.has("partitions") and p.pauses_s < 5,
        ),
        Bug(2, a_clock_that_is_the_servers_own, lambda p: p.shared and p.has("clocks_wrong")),
        Bug(82, a_start_nobody_waits_for, lambda p: p.has("agents_crash") and p.pauses_s < 5),
        Bug(34, a_cancel_that_is_never_forced, lambda p: p.has("people_stop_work")),
        Bug(
            1166,
            a_drain_that_binds_every_life,
            lambda p: p.has("agents_drain") and p.has("servers_freeze"),
        ),
    )
}
