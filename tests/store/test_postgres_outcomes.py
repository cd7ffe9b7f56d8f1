"""Whatever happens to the connection, an answer of the ledger on PostgreSQL is true."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Sequence
from itertools import count
from typing import Any

import pytest
from cutting_proxy import Cut, CuttingProxy
from engines import engine_on, numbered, submit
from postgres_server import PostgresServer

from procession.core.errors import Overloaded
from procession.core.process import Change, Item, Process
from procession.core.settle import settle
from procession.engine import Engine
from procession.store import link
from procession.store import postgres as engine_store

ANSWER_S_MAX = 5.0
_names = count()

Story = Callable[[Engine, Engine, CuttingProxy], Coroutine[Any, Any, None]]


def tell(server: PostgresServer, story: Story) -> None:
    """`story` gets an engine behind a proxy, one that is not, and the proxy."""

    async def run() -> None:
        name = f"outcomes_{next(_names)}"
        direct = server.address(name)
        proxy = CuttingProxy(server.folder)
        async with (
            asyncio.timeout(60),
            engine_on(direct) as plain,
            proxy.listening(),
            engine_on(proxy.address(name)) as cut,
        ):
            await submit(cut, 0)
            await story(cut, plain, proxy)

    asyncio.run(run())


async def kept(engine: Engine, process: Process) -> list[int]:
    """The numbers of the process's events, as another server reads them."""
    found = await engine.store.events(process.process_id, after=0, limit=100)
    return [event.seq for event in found]


def says_commit(said: bytes) -> bool:
    return b"COMMIT\0" in said


def says_process(process: Process) -> Callable[[bytes], bool]:
    """The one statement that saves it."""
    return lambda said: process.process_id.encode() in said


async def note(engine: Engine, process: Process) -> Change:
    """A decision that leaves an event each time it is saved."""

    def decide(process: Process, items: Sequence[Item], now_ms: int) -> Change:
        return settle(process, process.standing, (), ("noted", {}), now_ms)

    return await engine.ledger.change(process.process_id, decide)


def nth(number: int) -> Callable[[bytes], bool]:
    """Yes to the message of this number from now on."""
    seen = count(1)
    return lambda _: next(seen) == number


@pytest.mark.parametrize("cut", ["before", "after", "swallow"])
def test_a_connection_cut_at_commit_changes_no_answer(postgres: PostgresServer, cut: Cut) -> None:
    async def story(engine: Engine, plain: Engine, proxy: CuttingProxy) -> None:
        process = (await submit(engine, 1)).process
        proxy.arm(says_commit, cut)
        begun_s = time.monotonic()
        change = await note(engine, process)
        assert proxy.cuts == 1
        assert time.monotonic() - begun_s < ANSWER_S_MAX
        assert change.process.version == 3
        assert await kept(plain, process) == [1, 2, 3]

    tell(postgres, story)


@pytest.mark.parametrize("cut", ["before", "after", "swallow"])
def test_a_connection_cut_at_a_submission_saves_it_once_and_calls_it_new(
    postgres: PostgresServer, cut: Cut
) -> None:
    async def story(engine: Engine, plain: Engine, proxy: CuttingProxy) -> None:
        process = numbered(1)
        proxy.arm(says_process(process), cut)
        begun_s = time.monotonic()
        submitted = await submit(engine, 1, process)
        assert proxy.cuts == 1
        assert time.monotonic() - begun_s < ANSWER_S_MAX
        assert not submitted.duplicate
        assert submitted.process.process_id == process.process_id
        assert await kept(plain, process) == [1, 2]
        assert (await submit(engine, 1, numbered(1))).duplicate
        assert await kept(plain, process) == [1, 2]

    tell(postgres, story)


@pytest.mark.parametrize("cut", ["before", "after", "swallow"])
def test_a_connection_cut_at_any_message_of_a_turn_repeats_and_loses_nothing(
    postgres: PostgresServer, cut: Cut
) -> None:
    async def story(engine: Engine, plain: Engine, proxy: CuttingProxy) -> None:
        for number in range(1, 100):
            process = (await submit(engine, number)).process
            proxy.cuts = 0
            proxy.arm(nth(number), cut)
            assert (await note(engine, process)).process.version == 3
            assert await kept(plain, process) == [1, 2, 3]
            if not proxy.cuts:
                assert number > 4
                return
        raise AssertionError("a turn has no end")

    # Messages of watchers count too; they are too rare to matter.
    tell(postgres, story)


def test_a_commit_in_doubt_is_looked_up_once_the_database_is_back(
    postgres: PostgresServer,
) -> None:
    async def story(engine: Engine, plain: Engine, proxy: CuttingProxy) -> None:
        process = (await submit(engine, 1)).process
        proxy.arm(says_commit, "after")
        noting = asyncio.create_task(note(engine, process))
        await shut_after_the_cut(proxy)
        while await kept(plain, process) != [1, 2, 3]:
            await asyncio.sleep(0.01)
        assert not noting.done()
        await proxy.open()
        assert (await noting).process.version == 3
        assert await kept(plain, process) == [1, 2, 3]

    tell(postgres, story)


def test_a_submission_in_doubt_is_answered_once_the_database_is_back(
    postgres: PostgresServer,
) -> None:
    async def story(engine: Engine, plain: Engine, proxy: CuttingProxy) -> None:
        process = numbered(1)
        proxy.arm(says_process(process), "after")
        submitting = asyncio.create_task(submit(engine, 1, process))
        await shut_after_the_cut(proxy)
        while await kept(plain, process) != [1, 2]:
            await asyncio.sleep(0.01)
        assert not submitting.done()
        await proxy.open()
        assert not (await submitting).duplicate
        assert await kept(plain, process) == [1, 2]

    tell(postgres, story)


async def shut_after_the_cut(proxy: CuttingProxy) -> None:
    while not proxy.cuts:
        await asyncio.sleep(0.001)
    await proxy.shut()


def test_a_database_that_stays_away_is_told_as_overload_within_a_bound(
    postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_store, "DOUBT_S_MAX", 1.0)

    async def story(engine: Engine, plain: Engine, proxy: CuttingProxy) -> None:
        process = numbered(1)
        proxy.arm(says_process(process), "after")
        submitting = asyncio.create_task(submit(engine, 1, process))
        await shut_after_the_cut(proxy)
        waiting = [asyncio.create_task(submit(engine, number)) for number in range(2, 50)]
        begun_s = time.monotonic()
        told = await asyncio.gather(submitting, *waiting, return_exceptions=True)
        assert time.monotonic() - begun_s < ANSWER_S_MAX
        assert {type(one) for one in told} == {Overloaded}
        assert "not known" in str(told[0])
        with pytest.raises(Overloaded):
            await engine.store.process(process.process_id)
        await proxy.open()
        assert (await submit(engine, 1, numbered(1))).duplicate
        assert await kept(plain, process) == [1, 2]

    tell(postgres, story)


def test_a_database_that_answers_nothing_is_given_up(
    postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A proxy keeps acknowledging, so here the time limit on statements has to notice."""
    monkeypatch.setattr(link, "COMMAND_S_MAX", 0.5)
    monkeypatch.setattr(engine_store, "DOUBT_S_MAX", 1.0)

    async def story(engine: Engine, plain: Engine, proxy: CuttingProxy) -> None:
        proxy.deaf = True
        begun_s = time.monotonic()
        with pytest.raises(Overloaded):
            await submit(engine, 1)
        assert time.monotonic() - begun_s < ANSWER_S_MAX
        proxy.deaf = False
        await proxy.shut()
        await proxy.open()
        assert not (await submit(engine, 2)).duplicate

    tell(postgres, story)


def test_marks_are_forgotten_after_a_minute(postgres: PostgresServer) -> None:
    async def story(engine: Engine, plain: Engine, proxy: CuttingProxy) -> None:
        async def forget(turn: Any) -> int:
            before_ms = turn.now_ms - 60_000
            touched = await turn.store.connection.execute("forget_turns", before_ms=before_ms)
            return int(touched)

        async def age(turn: Any) -> None:
            await turn.store.connection.run_script("UPDATE turn SET saved_ms = saved_ms - 61000")

        assert await engine.ledger.errand(forget) == 0
        await engine.ledger.errand(age)
        assert await engine.ledger.errand(forget) >= 1
        assert await engine.ledger.errand(forget) == 0

    tell(postgres, story)
