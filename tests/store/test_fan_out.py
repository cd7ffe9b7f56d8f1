"""An item's verb costs the same however many siblings it has: a fan-out is linear."""

from __future__ import annotations

import asyncio
from pathlib import Path

from ledgers import Opened, opened

from procession.core.states import State

PHONES = [f"p{n:03}" for n in range(250)]


async def fan_out(one: Opened, count: int) -> tuple[int, int]:
    """Statements and rows it takes to submit, claim and finish a process of `count` items."""
    one.connection.forget()
    process = await one.submit(1, [f"phone/{PHONES[n % len(PHONES)]}" for n in range(count)])
    left = count
    while left:
        claimed = await one.claim(*PHONES)
        changes = await asyncio.gather(*(one.finish(item) for _, item in claimed))
        left -= len(claimed)
    assert changes[-1].process.state is State.COMPLETED
    found = await one.store.process(process.process_id)
    assert found is not None and found.version == 2 + 2 * count
    return one.connection.statements.total(), one.connection.rows.total()


def test_a_fan_out_of_ten_times_the_items_costs_ten_times_as_much(tmp_path: Path) -> None:
    async def run(folder: Path, count: int) -> tuple[int, int]:
        folder.mkdir()
        async with opened(folder) as one:
            await one.add_phones(*PHONES)
            return await fan_out(one, count)

    few_statements, few_rows = asyncio.run(run(tmp_path / "few", 1_000))
    many_statements, many_rows = asyncio.run(run(tmp_path / "many", 10_000))
    assert many_rows <= 10.5 * few_rows
    assert many_statements <= 10.5 * few_statements


def test_finishing_one_item_touches_as_many_rows_with_ten_siblings_as_with_thousands(
    tmp_path: Path,
) -> None:
    async def run(folder: Path, count: int) -> tuple[dict[str, int], dict[str, int]]:
        folder.mkdir()
        async with opened(folder) as one:
            await one.add_phones(PHONES[0])
            await one.submit(1, ["phones"] * count)
            [(_, item)] = await one.claim(PHONES[0])
            one.connection.forget()
            await one.finish(item)
            return dict(one.connection.statements), dict(one.connection.rows)

    few, many = (asyncio.run(run(tmp_path / str(count), count)) for count in (10, 5_000))
    assert few == many
