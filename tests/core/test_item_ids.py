"""An item's id is its process's id counted on, also where the last digits run over."""

from __future__ import annotations

from uuid import UUID

from hypothesis import example, given
from hypothesis import strategies as st

from procession.core.process import item_id_of


@given(st.uuids(), st.integers(0, 10_000))
@example(UUID("01890000-0000-7000-8000-ffffffffffff"), 0)
@example(UUID("01890000-0000-7000-8000-fffffffffffe"), 1)
@example(UUID("01890000-0000-7000-8fff-ffffffffffff"), 7)
def test_an_items_id_is_the_process_id_counted_on(process_id: UUID, position: int) -> None:
    number = process_id.int + 1 + position
    if number < 2**128:
        assert item_id_of(str(process_id), position) == str(UUID(int=number))
