"""Every state has its place in every table, every refusal a word of its own."""

from __future__ import annotations

import re
from collections.abc import Iterator

from procession.capabilities import errors as capability_errors
from procession.core import errors
from procession.core.states import (
    FINAL,
    ITEM_ACTIVE,
    ITEM_FINAL,
    ITEM_IDLE,
    ITEM_MOVES,
    MILESTONES,
    MOVES,
    RETRIABLE,
    ItemState,
    State,
)


def _all_below(kind: type) -> Iterator[type]:
    for below in kind.__subclasses__():
        yield below
        yield from _all_below(below)


def test_every_state_has_moves_and_a_milestone() -> None:
    assert set(MOVES) == set(State)
    assert set(MILESTONES) == set(State)
    assert set(ITEM_MOVES) == set(ItemState)


def test_every_item_state_is_either_active_idle_or_final() -> None:
    assert set(ItemState) == ITEM_ACTIVE | ITEM_IDLE | ITEM_FINAL
    assert len(ITEM_ACTIVE) + len(ITEM_IDLE) + len(ITEM_FINAL) == len(ItemState)


def test_moves_lead_to_states_and_never_stay() -> None:
    for before, afters in MOVES.items():
        assert afters <= set(State) - {before}
    for item_before, item_afters in ITEM_MOVES.items():
        assert item_afters <= set(ItemState) - {item_before}


def test_every_state_is_reachable_and_none_but_the_final_ones_is_a_dead_end() -> None:
    assert set(State) - {State.ACCEPTED} == {after for afters in MOVES.values() for after in afters}
    assert {before for before, afters in MOVES.items() if not afters} == FINAL - RETRIABLE
    for state in FINAL & RETRIABLE:
        assert MOVES[state].isdisjoint(FINAL)
    for state in set(State) - FINAL:
        assert not MOVES[state].isdisjoint(FINAL)


def test_every_state_that_has_not_ended_can_be_cancelled() -> None:
    for state in set(State) - FINAL - {State.CANCELLING}:
        assert State.CANCELLING in MOVES[state]
    for item_state in set(ItemState) - ITEM_FINAL:
        assert ItemState.CANCELLED in ITEM_MOVES[item_state]


def test_every_refusal_has_a_code_of_its_own_and_says_something() -> None:
    below = [kind for kind in _all_below(errors.Refused) if kind.__module__ == errors.__name__]
    kinds = [errors.Refused, *below]
    codes = [kind.__dict__.get("code") for kind in kinds]  # its own, not an inherited one
    assert all(isinstance(code, str) and re.fullmatch("[a-z_]+", code) for code in codes), codes
    assert len(set(codes)) == len(codes)
    for kind in kinds:
        assert kind.__doc__ is not None and kind.__doc__.strip().endswith(".")


def test_a_refusal_without_a_detail_says_its_docstring() -> None:
    assert errors.LeaseLost().detail == (errors.LeaseLost.__doc__ or "").strip()
    assert errors.WrongState("item is running").detail == "item is running"
    assert errors.Invalid("/a", "must be a number").detail == "/a: must be a number"


def test_refusals_of_capabilities_have_other_codes_than_those_of_the_core() -> None:
    core = {kind.code for kind in [errors.Refused, *_all_below(errors.Refused)]}
    offered = [
        kind for kind in _all_below(capability_errors.CapabilityRefusal) if "code" in vars(kind)
    ]
    assert offered
    assert core.isdisjoint({kind.__dict__["code"] for kind in offered})
