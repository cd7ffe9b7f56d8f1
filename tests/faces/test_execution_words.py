"""Every state, refusal and category has its word in the execution face."""

from __future__ import annotations

import pkgutil
from collections.abc import Iterator
from importlib import import_module

import procession
from procession.capabilities.errors import (
    CapabilityBlocked,
    CapabilityRefusal,
    CapabilityUnknown,
    InputInvalid,
    RoutingUnsupported,
)
from procession.core.errors import Invalid, Refused
from procession.core.states import ItemState, State
from procession.faces.execution.words import CATEGORIES, QUEUE_STATUS, STATES, STATUS, category_of
from procession.faces.problem import STATUSES, problem_of, status_of
from procession.faces.steps.refusals import FieldsInvalid
from procession.faces.strict import BodyInvalid, FieldError
from procession.links import LinkGone
from procession.webhooks.assets import AssetRefused
from procession.webhooks.guard import UrlRefused

STATUS_WORDS = {"queued", "executing", "retrying", "completed", "failed_terminal", "cancelled"}
QUEUE_WORDS = {
    "QUEUED",
    "SCHEDULED",
    "CLAIMED",
    "EXECUTING",
    "RETRYABLE",
    "DONE",
    "DEAD_LETTER",
    "CANCELLED",
}


def below(kind: type[Exception]) -> Iterator[type[Exception]]:
    yield kind
    for one in kind.__subclasses__():
        yield from below(one)


def made(kind: type[Exception]) -> Exception:
    """One of each kind; those that need words get some."""
    if issubclass(kind, UrlRefused):
        return kind("/url", "http://x", "a rule")
    if issubclass(kind, AssetRefused | InputInvalid) or kind is Invalid:
        return kind("/field", "a rule")
    if kind is BodyInvalid:
        return BodyInvalid([FieldError("/field", "a rule")])
    if kind is FieldsInvalid:
        return FieldsInvalid([("field", "a rule")])
    if kind is LinkGone:
        return LinkGone("expired")
    if kind is CapabilityBlocked:
        return CapabilityBlocked(code="some_code", name="x", mode="manual")
    if kind is CapabilityUnknown:
        return CapabilityUnknown("x")
    if kind is RoutingUnsupported:
        return RoutingUnsupported(name="x", routing="group")
    return kind()


def import_server_side() -> None:
    for module in pkgutil.walk_packages(procession.__path__, "procession."):
        if not module.name.endswith("__main__"):
            import_module(module.name)


def test_every_state_has_a_status_and_every_status_finds_its_states() -> None:
    assert STATUS.keys() == set(State)
    assert set(STATUS.values()) == STATUS_WORDS
    assert {state for states in STATES.values() for state in states} == {s.value for s in State}


def test_every_item_state_has_a_queue_status() -> None:
    assert QUEUE_STATUS.keys() == set(ItemState)
    assert set(QUEUE_STATUS.values()) == QUEUE_WORDS


def test_every_category_is_a_word_of_the_contract() -> None:
    for word in (*CATEGORIES, "something_new", ""):
        assert category_of(word) in CATEGORIES


def test_every_refusal_is_answered_with_its_own_status_and_code() -> None:
    import_server_side()
    kinds = {*below(Refused), *below(CapabilityRefusal)}
    assert len(kinds) > 20
    for kind in kinds:
        if kind.__module__.startswith("procession.agent") or "test" in kind.__module__:
            continue
        error = made(kind)
        answer = problem_of(error)
        assert answer.status == status_of(error) == answer.body.status
        assert 400 <= answer.status <= 503 and (
            answer.status != 500 or kind.__name__ == "Unexpected"
        )
        assert answer.body.code and answer.body.detail and answer.body.error
        assert bool(answer.body.errors) == (answer.status == 422)


def test_every_refusal_of_the_core_is_named_apart() -> None:
    for kind in below(Refused):
        if kind.__module__ == "procession.core.errors" and not issubclass(kind.__base__, Refused):
            assert kind in STATUSES
    codes = [kind.code for kind in below(Refused) if kind.__module__ == "procession.core.errors"]
    assert len(codes) == len(set(codes))
