"""The ledger: many decisions a turn, each caller its own answer, nothing lost."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from random import Random
from typing import Any, TypeVar

import pytest
from ledgers import HeldWriter, Opened, opened, reporting

from procession.core.errors import NotFound, Overloaded, WrongState
from procession.core.process import Change, Item, Process, item_id_of
from procession.core.states import ItemState, State
from procession.store import ledger as ledger_module
from procession.store.ledger import BATCH_MAX, Ledger
from procession.store.turn import Turn

T = TypeVar("T")


def on(folder: Path, act: Callable[[Opened], Awaitable[T]]) -> T:
    async def run() -> T:
        async with opened(folder) as one:
            return await act(one)

    return asyncio.run(run())


def nothing(process: Process, items: Sequence[Item], now_ms: int) -> Change:
    return Change(process)


def test_a_thousand_decisions_at_once_take_a_handful_of_turns(tmp_path: Path) -> None:
    async def act(one: Opened) -> None:
        processes = await asyncio.gather(*(one.submit(n) for n in range(1_000)))
        assert one.turns <= 1_000 // BATCH_MAX + 2
        one.connection.forget()
        changes = await asyncio.gather(
            *(one.ledger.change(p.process_id, reporting, (item_of(p),)) for p in processes)
        )
        assert one.turns <= 1_000 // BATCH_MAX + 2
        assert all(change.process.version == 3 for change in changes)
        assert one.connection.statements["lock_processes"] == one.turns

    on(tmp_path, act)


def test_one_decision_when_idle_is_a_turn_of_its_own_at_once(tmp_path: Path) -> None:
    async def act(one: Opened) -> None:
        for number in range(3):
            await one.submit(number)
        assert one.turns == 3

    on(tmp_path, act)


def test_a_refusal_concerns_its_own_caller_only(tmp_path: Path) -> None:
    def refuse(process: Process, items: Sequence[Item], now_ms: int) -> Change:
        raise WrongState("not now")

    async def act(one: Opened) -> None:
        process = await one.submit(1)
        one.connection.forget()
        outcomes = await asyncio.gather(
            one.ledger.change(process.process_id, reporting, (item_of(process),)),
            one.ledger.change(process.process_id, refuse),
            one.ledger.change("nobody", nothing),
            one.ledger.change(process.process_id, reporting, (item_of(process),)),
            return_exceptions=True,
        )
        assert [type(outcome) for outcome in outcomes] == [Change, WrongState, NotFound, Change]
        assert one.turns == 1
        found = await one.store.process(process.process_id)
        assert found is not None and found.version == process.version + 2

    on(tmp_path, act)


@pytest.mark.parametrize("error", [ZeroDivisionError, KeyError, AssertionError])
def test_a_decision_that_breaks_fails_its_own_caller_only(
    tmp_path: Path, error: type[Exception]
) -> None:
    async def act(one: Opened) -> None:
        process = await one.submit(1)
        outcomes = await asyncio.gather(
            one.ledger.change(process.process_id, reporting, (item_of(process),)),
            one.ledger.change(process.process_id, raising(error("planted"))),
            one.ledger.change(process.process_id, reporting, (item_of(process),)),
            return_exceptions=True,
        )
        assert [type(outcome) for outcome in outcomes] == [Change, error, Change]
        log = await one.store.events(process.process_id, after=0, limit=100)
        assert [event.seq for event in log] == [1, 2, 3, 4]

    on(tmp_path, act)


def test_the_writer_outlives_a_decision_that_would_end_the_program(tmp_path: Path) -> None:
    async def act(one: Opened) -> None:
        process = await one.submit(1)
        with pytest.raises(RuntimeError, match="SystemExit"):
            await one.ledger.change(process.process_id, raising(SystemExit(1)))
        again = await one.ledger.change(process.process_id, reporting, (item_of(process),))
        assert again.process.version == process.version + 1

    on(tmp_path, act)


def raising(error: BaseException) -> Callable[[Process, Sequence[Item], int], Change]:
    def decide(process: Process, items: Sequence[Item], now_ms: int) -> Change:
        raise error

    return decide


def test_an_errand_that_breaks_takes_back_its_own_writes_only(tmp_path: Path) -> None:
    async def act(one: Opened) -> None:
        async def write(turn: Turn, name: str, error: Exception | None) -> str:
            await turn.store.connection.execute("put_meta", name=name, value="there")
            if error is not None:
                raise error
            return name

        outcomes = await asyncio.gather(
            one.ledger.errand(lambda turn: write(turn, "first", None)),
            one.ledger.errand(lambda turn: write(turn, "refused", WrongState("no"))),
            one.ledger.errand(lambda turn: write(turn, "broken", ZeroDivisionError())),
            one.ledger.errand(lambda turn: write(turn, "last", None)),
            return_exceptions=True,
        )
        assert [type(outcome) for outcome in outcomes] == [str, WrongState, ZeroDivisionError, str]
        kept = [
            name
            for name in ("first", "refused", "broken", "last")
            if await one.connection.fetch("get_meta", name=name)
        ]
        assert kept == ["first", "last"]

    on(tmp_path, act)


def test_an_errand_that_waits_for_something_else_fails_and_the_ledger_goes_on(
    tmp_path: Path,
) -> None:
    async def wait(turn: Turn) -> None:
        await asyncio.sleep(0)

    async def act(one: Opened) -> None:
        with pytest.raises(RuntimeError, match="suspended"):
            await one.ledger.errand(wait)
        await one.submit(1)

    on(tmp_path, act)


def test_a_full_queue_refuses_and_takes_again_once_there_is_room(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ledger_module, "WAITING_MAX", 3)

    async def run() -> None:
        writer = HeldWriter()
        ledger = Ledger(writer, lambda _: None)
        first = asyncio.ensure_future(ledger.change("a", nothing))
        await until(lambda: writer.held)
        waiting = [asyncio.ensure_future(ledger.change(str(n), nothing)) for n in range(3)]
        await asyncio.sleep(0)
        with pytest.raises(Overloaded):
            await ledger.change("one too many", nothing)
        writer.answer(lambda work: "done")
        assert await first == "done"
        await until(lambda: writer.held)
        late = asyncio.ensure_future(ledger.change("late", nothing))
        await asyncio.sleep(0)
        writer.answer(lambda work: work.process_id)
        assert await asyncio.gather(*waiting) == ["0", "1", "2"]
        await until(lambda: writer.held)
        writer.answer(lambda work: work.process_id)
        assert await late == "late"
        await ledger.close()

    asyncio.run(run())


async def until(holds: Callable[[], Any]) -> None:
    async with asyncio.timeout(10):
        while not holds():
            await asyncio.sleep(0)


def test_a_caller_that_goes_away_while_it_waits_harms_nobody(tmp_path: Path) -> None:
    async def act(one: Opened) -> None:
        process = await one.submit(1)
        tasks = [
            asyncio.ensure_future(
                one.ledger.change(process.process_id, reporting, (item_of(process),))
            )
            for _ in range(20)
        ]
        await asyncio.sleep(0)
        for gone in tasks[::2]:
            gone.cancel()
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        assert all(isinstance(o, asyncio.CancelledError) for o in outcomes[::2])
        assert all(isinstance(o, Change) for o in outcomes[1::2])
        last = await one.ledger.change(process.process_id, reporting, (item_of(process),))
        log = await one.store.events(process.process_id, after=0, limit=100)
        assert [event.seq for event in log] == list(range(1, last.process.version + 1))

    on(tmp_path, act)


def test_no_caller_is_forgotten_under_stress(tmp_path: Path) -> None:
    async def act(one: Opened) -> None:
        random = Random(7)
        processes = await asyncio.gather(*(one.submit(n) for n in range(50)))

        async def caller(number: int) -> int:
            process = processes[number % 50]
            for _ in range(random.randrange(4)):
                await asyncio.sleep(0)
            change = await one.ledger.change(process.process_id, reporting, (item_of(process),))
            for _ in range(random.randrange(3)):
                await asyncio.sleep(0)
            await one.ledger.errand(reading)
            return change.process.version

        versions = await asyncio.gather(*(caller(number) for number in range(4_000)))
        by_process = [sorted(versions[n::50]) for n in range(50)]
        assert all(seen == list(range(3, 83)) for seen in by_process)

    on(tmp_path, act)


async def reading(turn: Turn) -> None:
    await turn.store.connection.fetch("get_meta", name="none")


def test_closing_finishes_what_waits_and_takes_nothing_new(tmp_path: Path) -> None:
    async def act(one: Opened) -> None:
        tasks = [asyncio.ensure_future(one.submit(number)) for number in range(600)]
        await asyncio.sleep(0)
        closing = asyncio.ensure_future(one.ledger.close())
        await asyncio.sleep(0)
        with pytest.raises(Overloaded):
            await one.ledger.change("late", nothing)
        await closing
        assert len(await asyncio.gather(*tasks)) == 600
        found = await one.connection.fetch("count_states")
        assert sum(count for _, count in found) == 600

    on(tmp_path, act)


def test_one_process_may_be_decided_about_many_times_in_a_turn(tmp_path: Path) -> None:
    async def act(one: Opened) -> None:
        process = await one.submit(1)
        one.connection.forget()
        changes = await asyncio.gather(
            *(
                one.ledger.change(process.process_id, reporting, (item_of(process),))
                for _ in range(100)
            )
        )
        assert [change.process.version for change in changes] == list(range(3, 103))
        assert one.turns == 1
        assert one.connection.rows["update_process"] == 1
        assert one.connection.rows["update_item"] == 1
        assert one.connection.rows["insert_event"] == 100

    on(tmp_path, act)


def test_a_decision_about_all_items_sees_them_in_order_as_the_ones_before_left_them(
    tmp_path: Path,
) -> None:
    seen: list[tuple[str, float | None]] = []

    def look(process: Process, items: Sequence[Item], now_ms: int) -> Change:
        seen.extend((item.item_id, item.percent) for item in items)
        return Change(process)

    async def act(one: Opened) -> None:
        process, other = await one.submit(1, ["phones"] * 3), await one.submit(2, ["phones"] * 2)
        ids = [item_id_of(process.process_id, position) for position in range(3)]
        await asyncio.gather(
            one.ledger.change(other.process_id, nothing, None),
            one.ledger.change(process.process_id, reporting, (ids[2],)),
            one.ledger.change(process.process_id, look, None),
        )
        assert seen == [(ids[0], None), (ids[1], None), (ids[2], 1.0)]

    on(tmp_path, act)


def test_of_two_equal_submissions_in_a_turn_one_is_the_duplicate(tmp_path: Path) -> None:
    async def act(one: Opened) -> None:
        first, second = await asyncio.gather(one.submit(1), one.submit(1))
        assert first.process_id == second.process_id
        assert one.turns == 1
        assert second.state is State.QUEUED and second.version == 2

    on(tmp_path, act)


def test_a_claim_gets_a_phone_that_the_same_turn_gave_free(tmp_path: Path) -> None:
    async def act(one: Opened) -> None:
        await one.add_phones("p")
        await asyncio.gather(one.submit(1), one.submit(2))
        [(_, held)] = await one.claim("p")
        assert await one.claim("p") == []
        one.connection.forget()
        done, claimed = await asyncio.gather(one.finish(held), one.claim("p"))
        assert one.turns == 1
        assert done.process.state is State.COMPLETED
        assert [item.item_id for _, item in claimed] != [held.item_id]
        assert claimed[0][1].state is ItemState.CLAIMED

    on(tmp_path, act)


def test_a_claim_gets_what_the_same_turn_submitted(tmp_path: Path) -> None:
    async def act(one: Opened) -> None:
        await one.add_phones("p")
        process, claimed = await asyncio.gather(one.submit(1, ["phone/p"]), one.claim("p"))
        assert [item.process_id for _, item in claimed] == [process.process_id]

    on(tmp_path, act)


def test_those_who_wait_are_told_once_a_turn_and_only_of_what_was_saved(tmp_path: Path) -> None:
    async def act(one: Opened) -> None:
        process = await one.submit(1)
        assert one.saved[-1] == {("queue", 1, "phones")}
        await one.add_phones("p")
        await one.claim("p")
        await one.ledger.change(process.process_id, reporting, (item_of(process),))
        assert one.saved[-1] == {("process", process.process_id)}
        await one.ledger.change(process.process_id, nothing)
        assert one.saved[-1] == set()
        before = len(one.saved)
        await asyncio.gather(*(one.submit(n) for n in range(2, 10)))
        assert len(one.saved) == before + 1

    on(tmp_path, act)


def item_of(process: Process) -> str:
    return item_id_of(process.process_id, 0)
