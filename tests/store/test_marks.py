"""A claim begins where the last one found work, and never misses what came back for long."""

from __future__ import annotations

import asyncio
from pathlib import Path

from ledgers import opened

from procession.core import lifecycle
from procession.core.states import ItemState
from procession.store import marks
from procession.store.marks import Marks

NOW_MS = 1_000_000


def test_a_look_begins_where_the_last_found_something_and_from_the_start_now_and_then() -> None:
    queue = Marks()
    assert queue.begin(1, "q", NOW_MS) == 0
    queue.found(1, "q", 70)
    assert queue.begin(1, "q", NOW_MS) == 70
    queue.found(1, "q", 90)
    assert queue.begin(1, "q", NOW_MS + marks.WHOLE_EVERY_MS - 1) == 90
    assert queue.begin(1, "q", NOW_MS + marks.WHOLE_EVERY_MS) == 0
    assert queue.begin(1, "q", NOW_MS + marks.WHOLE_EVERY_MS) == 90
    assert queue.begin(2, "q", NOW_MS) == queue.begin(1, "other", NOW_MS) == 0


def test_a_clock_set_back_and_what_came_back_make_it_look_from_the_start() -> None:
    queue = Marks()
    queue.begin(1, "q", NOW_MS)
    queue.found(1, "q", 70)
    assert queue.begin(1, "q", NOW_MS - 1) == 0
    queue.forget(1, "q")
    assert queue.begin(1, "q", NOW_MS) == 0


def test_more_queues_than_are_remembered_are_looked_into_from_the_start() -> None:
    queues = Marks()
    for number in range(marks.QUEUES_MAX + 1):
        queues.begin(1, f"q{number}", NOW_MS)
        queues.found(1, f"q{number}", 5)
    assert queues.begin(1, "q0", NOW_MS) == 0
    queues.found(1, "q1", 5)
    assert queues.begin(1, f"q{marks.QUEUES_MAX}", NOW_MS) == 5


def test_work_that_came_back_is_claimed_at_once_though_it_is_older(tmp_path: Path) -> None:
    async def run() -> None:
        async with opened(tmp_path) as one:
            await one.add_phones("p1", "p2")
            for number in range(4):
                await one.submit(number)
            ((_, first),) = await one.claim("p1")
            ((_, second),) = await one.claim("p2")

            def back(process: object, items: object, now_ms: int) -> object:
                return lifecycle.finish(
                    process,  # type: ignore[arg-type]
                    items[0],  # type: ignore[index]
                    outcome=ItemState.FAILED,
                    result=first.result,
                    error=None,
                    retry=False,
                    chance=0.5,
                    now_ms=now_ms,
                )

            await one.ledger.change(first.process_id, back, (first.item_id,))  # type: ignore[arg-type]
            await one.finish(second)
            await one.ledger.change(
                first.process_id,
                lifecycle.retry,
                None,
            )
            ((_, again),) = await one.claim("p1")
            assert again.item_id == first.item_id

    asyncio.run(run())
