"""Any history keeps the invariants, and time alone ends whatever it led to."""

from __future__ import annotations

from histories import play
from hypothesis import HealthCheck, given, settings
from plans import Plan, plan_of, plans

from procession.core.states import ItemState, State


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(plans)
def test_every_history_keeps_the_invariants_and_ends_by_itself(plan: Plan) -> None:
    play(plan)


def test_random_histories_keep_the_invariants_and_reach_every_state() -> None:
    reached: set[State] = set()
    items_reached: set[ItemState] = set()
    for seed in range(1_200):
        history = play(plan_of(seed))
        reached |= history.reached
        items_reached |= history.items_reached
    assert reached == set(State)
    assert items_reached == set(ItemState)
