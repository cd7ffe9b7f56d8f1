"""Nobody gets far by guessing codes, however they mix asking, trying and waiting."""

from __future__ import annotations

from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from procession.codes import (
    DAY_MS,
    HOUR_MS,
    SENT_A_DAY_MAX,
    SENT_AN_HOUR_MAX,
    TRIES_MAX,
    VALID_MS,
    WRONG_MAX,
    CodesExhausted,
    CodeStanding,
    issued,
    make_code,
    tried,
)

NOW_MS = 1_774_168_200_000
Step = tuple[Literal["ask", "guess", "wait"], int]


def moves() -> st.SearchStrategy[list[Step]]:
    waits = st.sampled_from([1, VALID_MS, HOUR_MS, DAY_MS])
    return st.lists(
        st.one_of(
            st.tuples(st.just("ask"), st.just(0)),
            st.tuples(st.just("guess"), st.integers(1, 2 * TRIES_MAX)),
            st.tuples(st.just("wait"), waits),
        ),
        max_size=120,
    )


@given(moves())
def test_guesses_that_count_are_few_however_they_are_made(steps: list[Step]) -> None:
    standing, now_ms = CodeStanding(), NOW_MS
    sent: list[int] = []
    guesses_of_code = guesses = 0
    for what, amount in steps:
        if what == "wait":
            now_ms += amount
        elif what == "ask":
            try:
                standing = issued(standing, "right", now_ms)
            except CodesExhausted:
                continue
            sent.append(now_ms)
            guesses_of_code = 0
        else:
            for _ in range(amount):
                before = standing
                standing, outcome = tried(standing, "wrong", now_ms)
                assert outcome != "right"
                guesses_of_code += standing.wrong > before.wrong
                guesses += standing.wrong > before.wrong
        assert guesses_of_code <= TRIES_MAX and guesses == standing.wrong <= WRONG_MAX
        for length_ms, most in ((HOUR_MS, SENT_AN_HOUR_MAX), (DAY_MS, SENT_A_DAY_MAX)):
            assert sum(now_ms - length_ms < at_ms for at_ms in sent) <= most


def test_a_code_opens_once_and_in_its_time() -> None:
    standing = issued(CodeStanding(), "right", NOW_MS)
    opened, outcome = tried(standing, "right", NOW_MS + VALID_MS - 1)
    assert outcome == "right" and not opened.is_open(NOW_MS)
    assert tried(opened, "right", NOW_MS)[1] == "over"
    assert tried(standing, "right", NOW_MS + VALID_MS)[1] == "over"


def test_a_new_code_replaces_the_one_before_and_forgives_no_wrong_try() -> None:
    standing = issued(CodeStanding(), "first", NOW_MS)
    standing, _ = tried(standing, "wrong", NOW_MS)
    standing = issued(standing, "second", NOW_MS)
    standing, outcome = tried(standing, "first", NOW_MS)
    assert (outcome, standing.wrong, standing.tries_left) == ("wrong", 2, TRIES_MAX - 1)
    assert tried(standing, "second", NOW_MS)[1] == "right"


def test_after_so_many_wrong_tries_not_even_the_right_code_opens() -> None:
    standing = CodeStanding(wrong=WRONG_MAX - 1)
    standing = issued(standing, "right", NOW_MS)
    standing, outcome = tried(standing, "wrong", NOW_MS)
    assert outcome == "closed"
    assert tried(standing, "right", NOW_MS)[1] == "closed"
    with pytest.raises(CodesExhausted):
        issued(standing, "right", NOW_MS + DAY_MS)


def test_codes_are_six_digits_of_every_kind() -> None:
    made = {make_code() for _ in range(500)}
    assert all(len(code) == 6 and code.isdigit() for code in made)
    assert len(made) > 480 and {code[0] for code in made} == set("0123456789")
