"""What a seed makes: how large the world is and what goes wrong in it, a choice of faults each."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from procession.agent.fence import Policy

FAULTS = (
    "messages_lost",
    "messages_twice",
    "messages_slow",
    "servers_crash",
    "servers_restart",
    "servers_freeze",
    "turns_crash",
    "turns_lost",
    "agents_crash",
    "agents_freeze",
    "agents_drain",
    "keepers_crash",
    "runs_crash",
    "partitions",
    "database_away",
    "clocks_wrong",
    "phones_fail",
    "receiver_fails",
    "people_stop_work",
    "people_try_again",
)


class Plan(Struct, kw_only=True):
    """One world. Rates are chances per message, statement or turn; times are in seconds."""

    seed: int
    faults: frozenset[str]
    shared: bool
    """PostgreSQL's rules: several servers, turns by the database's clock."""
    servers: int
    agents: int
    phones: int
    """Per agent."""
    roaming: bool
    """The first phone is in reach of every agent, as a phone on the network is."""
    fence: Policy
    people: int
    requests: int
    in_bulk: bool
    """Retries in bulk too, whose answers are not looked through."""
    patient: bool
    """Once all is well, everything ends by itself; else what is left is stopped."""
    chaos_s: float
    lease_ms: int
    balanced: bool
    """Calls go to any server that is up; else each caller has its own."""
    loss: float = 0.0
    twice: float = 0.0
    delay_s: float = 0.004
    slow: float = 0.0
    turn_s: float = 0.003
    slow_reads: float = 0.0
    notices_lost: float = 0.0
    crash_in_turn: float = 0.0
    crash_at_commit: float = 0.0
    lost_in_turn: float = 0.0
    lost_at_commit: float = 0.0
    pauses_s: float = 4.0
    """The mean time between two faults."""

    def has(self, fault: str) -> bool:
        return fault in self.faults


def plan_of(
    seed: int, more: frozenset[str] = frozenset(), world: Mapping[str, Any] | None = None
) -> Plan:
    """Every seed is another world; one in eight is calm.

    `more` are faults it has besides, `world` values of its plan that are given, not drawn.
    """
    random = Random(f"plan {seed}")
    few = random.choice((0.0, 0.1, 0.25, 0.5)) if random.random() > 1 / 8 else 0.0
    faults = frozenset(fault for fault in FAULTS if random.random() < few) | more
    shared = random.random() < 0.6
    plan = Plan(
        seed=seed,
        faults=faults,
        shared=shared,
        servers=random.choice((1, 2, 2, 3)) if shared else 1,
        agents=random.choice((1, 2, 2, 3)),
        phones=random.choice((1, 1, 2, 3)),
        roaming=random.random() < 0.4,
        fence=random.choice(("reachable", "reachable", "always")),
        people=random.choice((1, 2, 3)),
        requests=random.randint(3, 10),
        in_bulk=random.random() < 0.4,
        patient=random.random() < 0.4,
        chaos_s=random.choice((6.0, 10.0, 16.0)),
        lease_ms=random.choice((3_000, 3_000, 6_000, 15_000)),
        balanced=random.random() < 0.5,
        turn_s=random.choice((0.0005, 0.003, 0.03)),
        pauses_s=random.choice((1.0, 2.0, 5.0)),
    )
    given = world or {}
    return replace(_with_rates(replace(plan, **given), random), **given)


def _with_rates(plan: Plan, random: Random) -> Plan:
    def rate(fault: str, most: float) -> float:
        return random.random() * most if plan.has(fault) else 0.0

    plan.loss = rate("messages_lost", 0.15)
    plan.twice = rate("messages_twice", 0.1)
    plan.slow = rate("messages_slow", 0.1)
    plan.crash_in_turn = rate("turns_crash", 0.001)
    plan.crash_at_commit = rate("turns_crash", 0.01)
    plan.lost_in_turn = rate("turns_lost", 0.002)
    plan.lost_at_commit = rate("turns_lost", 0.03)
    plan.slow_reads = random.choice((0.0, 0.2)) if plan.shared else 0.0
    plan.notices_lost = random.choice((0.0, 0.0, 0.3, 1.0))
    return plan
