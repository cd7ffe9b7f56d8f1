"""A column read at once gives what its cells give one by one, or says that some are wrong."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from procession.jobs.csv_import.checks import Check, check_of
from procession.jobs.csv_import.unique import Keys

CHECKS = [
    check_of("text", max_chars=3),
    check_of("text", required=True),
    check_of("int", default=7),
    check_of("float"),
    check_of("bool", default=True),
    check_of("date"),
    check_of("date", format="%d.%m.%Y"),
    check_of("enum", choices=["a", "b"], default="a"),
]
CELLS = st.one_of(
    st.sampled_from(
        [
            *("", " ", "0", "1", "-5", "1_0", "1e3", "nan", "inf", "9" * 30, "1.5", "yes", "No"),
            *("2024-02-29", "2023-02-29", "29.2.2024", "a", "b", "a\0b", "abcd"),
        ]
    ),
    st.text(max_size=5),
)


def one_by_one(check: Check, cells: list[str]) -> list[Any] | None:
    try:
        return [check.cell(cell) for cell in cells]
    except ValueError:
        return None


@pytest.mark.parametrize("check", CHECKS)
@given(cells=st.lists(CELLS, max_size=6))
def test_many_at_once_are_read_as_each_alone(check: Check, cells: list[str]) -> None:
    expected = one_by_one(check, cells)
    try:
        found = check.column(cells)
    except ValueError:
        found = None
    assert found == expected


def test_values_are_what_they_are_said_to_be() -> None:
    assert check_of("int").cell(" 12 ") == 12
    assert check_of("date", format="%d.%m.%Y").cell("1.2.2024") == date(2024, 2, 1)
    assert check_of("bool").cell("Yes") is True
    for kind, text in [("int", "1.5"), ("int", str(2**63)), ("float", "nan"), ("bool", "maybe")]:
        with pytest.raises(ValueError, match="is n"):
            check_of(kind).cell(text)


def test_a_default_must_pass_its_own_check() -> None:
    with pytest.raises(ValueError, match="whole number"):
        check_of("int", default="many")


def test_keys_are_found_again_among_many() -> None:
    with Keys() as keys:
        assert keys.add(range(10_000), [(str(n), "x" * 100) for n in range(10_000)]) == {}
        assert keys.add([10_000, 10_001], [("5", "x" * 100), (None, "x")]) == {10_000: 5}
        assert keys.add([10_002, 10_003], [(None, "x"), ("new",)]) == {}
        assert keys.add([10_004, 10_005], [("twice",), ("twice",)]) == {10_005: 10_004}
