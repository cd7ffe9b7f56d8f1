"""The simulation itself: a seed is the same world again, and planted bugs are found."""

from __future__ import annotations

import pytest

from simulation.bugs import BUGS
from simulation.plan import FAULTS, plan_of
from simulation.program import require_quiet, simulate


@pytest.mark.parametrize("seed", [3, 8, 2208])
def test_a_seed_is_the_same_world_again(seed: int) -> None:
    first, second = simulate("--seed", str(seed)), simulate("--seed", str(seed))
    assert first.returncode == 0, first.stdout + first.stderr
    assert first.stdout == second.stdout
    assert len(first.stdout.splitlines()) > 10


def test_seeds_that_found_bugs_find_none_now() -> None:
    require_quiet("--regressions", "--jobs", "1")


@pytest.mark.parametrize("name", BUGS)
def test_a_planted_bug_is_found(name: str) -> None:
    ended = simulate("--bug", name)
    assert ended.returncode == 1, ended.stdout + ended.stderr
    assert ended.stdout.startswith("found by seed"), ended.stdout + ended.stderr


def test_every_fault_happens_in_some_world() -> None:
    plans = [plan_of(seed) for seed in range(1_000)]
    seen = frozenset[str]().union(*(plan.faults for plan in plans))
    assert seen == set(FAULTS)
    assert any(not plan.faults for plan in plans)
