"""`procession fleet`: phones and accounts over HTTP."""

from __future__ import annotations

import pytest
from whole_stage import LANES, Stage


def test_an_account_is_added_changed_and_shown(stage: Stage) -> None:
    words = ("fleet", "add-account", "ann", "--phone", LANES[0], "--app", "demo")
    made = stage.ask(*words, "--label", "a,b", "--label", "c", "--json").json
    assert made == {
        "account_id": "ann",
        "phone_id": LANES[0],
        "app": "demo",
        "labels": ["a", "b", "c"],
        "active": True,
    }
    words = ("fleet", "edit-account", "ann", "--no-phone", "--no-labels", "--inactive", "--json")
    edited = stage.ask(*words).json
    assert edited == made | {"phone_id": None, "labels": [], "active": False}
    assert edited in stage.ask("fleet", "accounts", "--json").json["accounts"]
    assert "ann" in stage.ask("fleet", "accounts").out


def test_an_account_that_is_there_is_not_added_twice(stage: Stage) -> None:
    assert stage.ask("fleet", "add-account", "once").status == 0
    ran = stage.ask("fleet", "add-account", "once")
    assert ran.status == 1
    assert "once" in ran.complaint


def test_what_is_not_given_stays_as_it_is(stage: Stage) -> None:
    stage.ask("fleet", "add-account", "bob", "--app", "demo", "--label", "kept")
    edited = stage.ask("fleet", "edit-account", "bob", "--phone", LANES[1], "--json").json
    assert (edited["app"], edited["labels"], edited["phone_id"]) == ("demo", ["kept"], LANES[1])


def test_a_phone_is_paused_labelled_and_resumed(stage: Stage) -> None:
    words = ("fleet", "edit-phone", LANES[0], "--json")
    paused = stage.ask(*words, "--pause", "--label", "shelf").json
    assert (paused["paused"], paused["state"], paused["labels"]) == (True, "paused", ["shelf"])
    resumed = stage.ask(*words, "--resume").json
    assert (resumed["paused"], resumed["labels"]) == (False, ["shelf"])
    shown = stage.ask("fleet", "phones").out
    assert all(lane in shown for lane in LANES)


def test_a_phone_that_nothing_holds_can_be_released(stage: Stage) -> None:
    ran = stage.ask("fleet", "release", LANES[1])
    assert (ran.status, ran.out) == (0, f"released {LANES[1]}: available\n")
    assert stage.ask("fleet", "release", LANES[1], "--json").json["phone_id"] == LANES[1]


@pytest.mark.parametrize(
    ("words", "status", "named"),
    [
        (("release", "nobody"), 1, "phone"),
        (("edit-phone", "nobody", "--pause"), 1, "phone"),
        (("edit-account", "nobody", "--active"), 1, "account"),
        (("edit-phone", LANES[0]), 2, "nothing to change"),
        (("edit-phone", LANES[0], "--label", "no blanks"), 1, "labels"),
        (("add-account",), 2, "account_id"),
    ],
)
def test_a_refusal_is_one_line(
    stage: Stage, words: tuple[str, ...], status: int, named: str
) -> None:
    ran = stage.ask("fleet", *words)
    assert ran.status == status
    assert named in ran.complaint.lower()


def test_a_group_alone_prints_its_help(stage: Stage) -> None:
    ran = stage.ask("fleet")
    assert ran.status == 0
    assert "add-account" in ran.out
