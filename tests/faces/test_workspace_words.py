"""Every state, event and refusal has its word in the workspace face."""

from __future__ import annotations

from msgspec.json import encode
from test_execution_words import below, import_server_side, made

from procession.capabilities.errors import CapabilityRefusal
from procession.core.errors import Refused
from procession.core.process import Error, Standing
from procession.core.states import MILESTONES, State
from procession.faces.workspace.refusals import refusal_of
from procession.faces.workspace.words import _SAID, STATES, STATUS, message_of

STATUS_WORDS = {"pending", "running", "waiting_review", "completed", "failed", "cancelled"}


def test_every_state_has_a_status_and_every_status_finds_its_states() -> None:
    assert STATUS.keys() == set(State)
    assert set(STATUS.values()) == STATUS_WORDS
    assert {state for states in STATES.values() for state in states} == {s.value for s in State}


def test_every_milestone_has_a_phrase_and_any_event_a_message() -> None:
    assert set(MILESTONES.values()) <= _SAID.keys()
    assert message_of("something_new", "{}", Standing()) == "Something new"
    failed = Standing(error=Error("no such column", "failed"))
    assert message_of("failed_terminal", "{}", failed) == "Failed: no such column"
    assert message_of("progress", encode({"percent": 5, "message": ""}).decode(), failed) == "5 %"


def test_every_refusal_is_said_in_this_faces_words() -> None:
    import_server_side()
    for kind in {*below(Refused), *below(CapabilityRefusal)}:
        if kind.__module__.startswith("procession.agent") or "test" in kind.__module__:
            continue
        answer = refusal_of(made(kind))
        assert 400 <= answer.status <= 503
        assert answer.body.startswith(b'{"message":"')
