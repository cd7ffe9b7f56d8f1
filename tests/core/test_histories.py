"""Any history keeps the invariants, and time alone ends whatever it led to."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from histories import play
from plans import Plan, plan_of, plans

from procession.core.states import ItemState, State


@settings(
    max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
@given(plans)
def test_every_history_keeps_the_invariants_and_ends_by_itself(plan: Plan) -> None:
    play(plan)


def test_random_histories_of_many_seeds_keep_the_invariants() -> None:
    for seed in range(1_500):
        play(plan_of(seed))
