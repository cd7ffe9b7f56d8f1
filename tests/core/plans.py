"""What a random history consists of: a shape, and steps drawn by hypothesis or from a seed."""

from __future__ import annotations

from random import Random
from typing import NamedTuple

from hypothesis import strategies as st

VERBS = (
    "claim",
    "claim",
    "claim",
    "beat",
    "beat",
    "work",
    "finish",
    "finish",
    "cancel",
    "retry",
    "retry",
    "answer",
    "release",
    "stall",
    "live",
    "live",
)
POLICIES = ("retry", "fail", "ask_human")
STEPS_MAX = 60


class Step(NamedTuple):
    """One thing that happens; the numbers pick whom it happens to, whatever there is."""

    verb: str
    a: int
    b: int
    c: int


class Shape(NamedTuple):
    """The processes a history is about: items each, and what their capability says."""

    items: tuple[int, ...]
    on_interrupted: str
    attempts_max: int
    lost_max: int
    time_limit_ms: int
    scheduled: bool


class Plan(NamedTuple):
    shape: Shape
    steps: tuple[Step, ...]


_numbers = st.integers(0, 2_000)
_steps = st.builds(Step, st.sampled_from(sorted(set(VERBS))), _numbers, _numbers, _numbers)
_shapes = st.builds(
    Shape,
    items=st.lists(st.integers(1, 3), min_size=1, max_size=2).map(tuple),
    on_interrupted=st.sampled_from(POLICIES),
    attempts_max=st.integers(1, 3),
    lost_max=st.integers(0, 3),
    time_limit_ms=st.sampled_from((0, 1_000, 600_000)),
    scheduled=st.booleans(),
)
plans = st.builds(Plan, _shapes, st.lists(_steps, max_size=STEPS_MAX).map(tuple))


def plan_of(seed: int) -> Plan:
    """The same plan for the same seed."""
    random = Random(seed)
    shape = Shape(
        items=tuple(random.randint(1, 3) for _ in range(random.randint(1, 2))),
        on_interrupted=random.choice(POLICIES),
        attempts_max=random.randint(1, 3),
        lost_max=random.randint(0, 3),
        time_limit_ms=random.choice((0, 1_000, 600_000)),
        scheduled=random.random() < 0.2,
    )
    steps = tuple(
        Step(random.choice(VERBS), *(random.randrange(2_000) for _ in range(3)))
        for _ in range(random.randint(1, STEPS_MAX))
    )
    return Plan(shape, steps)
