"""Waiting for a process: woken by a change, by the end of the wait, and by shutdown."""

from __future__ import annotations

import asyncio

import pytest
from settable_engine import OPERATOR, Site
from situations import AGENT, PHONE, on, queued

from procession import operations, reporting
from procession.core.process import Process
from procession.core.states import State
from procession.protocol import Heartbeat, RunReport
from procession.wakeup import Waiting, Wakeup

WAIT_MS = 20_000


def wait(site: Site, process: Process, version: int) -> asyncio.Task[Process | None]:
    waiting = operations.wait_for(site.engine, OPERATOR, process.process_id, version, WAIT_MS)
    return asyncio.ensure_future(waiting)


async def listening(site: Site, process: Process) -> None:
    while ("process", process.process_id) not in site.engine.wakeup._listeners:
        await asyncio.sleep(0)


def test_a_newer_process_is_answered_at_once() -> None:
    async def act(site: Site) -> None:
        process = await queued(site)
        assert await wait(site, process, process.version - 1) == process

    on(act)


def test_a_wait_ends_with_the_next_change() -> None:
    async def act(site: Site) -> None:
        process = await queued(site)
        waits = [wait(site, process, process.version) for _ in range(20)]
        await listening(site, process)
        await queued(site)  # another process wakes nobody here
        assert not any(one.done() for one in waits)
        await site.claim(AGENT, PHONE)
        async with asyncio.timeout(0.9):  # below the timer that looks again by itself
            seen = await asyncio.gather(*waits)
        assert all(one is not None and one.state is State.RUNNING for one in seen)
        assert not site.engine.wakeup._listeners

    on(act)


def test_a_wait_ends_with_the_server() -> None:
    async def act(site: Site) -> None:
        process = await queued(site)
        waiting = wait(site, process, process.version)
        await listening(site, process)
        site.engine.wakeup.close()
        async with asyncio.timeout(0.9):
            assert await waiting is None
            assert await wait(site, process, process.version) is None

    on(act)


def test_a_wait_that_is_over_answers_nothing_new(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(operations, "LOOK_AGAIN_MS", 1)

    async def act(site: Site) -> None:
        process = await queued(site)
        waiting = wait(site, process, process.version)
        await listening(site, process)
        site.clock.now_ms += WAIT_MS
        assert await waiting is None

    on(act)


def test_a_lost_wake_up_is_made_good_by_the_timer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(operations, "LOOK_AGAIN_MS", 1)

    async def act(site: Site) -> None:
        process = await queued(site)
        waiting = wait(site, process, process.version)
        await listening(site, process)
        monkeypatch.setattr(Wakeup, "saved", lambda self, topics: None)
        await site.claim(AGENT, PHONE)
        seen = await waiting
        assert seen is not None and seen.state is State.RUNNING

    on(act)


def test_a_change_between_the_look_and_the_wait_is_not_missed() -> None:
    async def act(site: Site) -> None:
        wakeup = Wakeup()
        with Waiting(wakeup, [("process", "x")]) as waiting:
            wakeup.saved([("process", "x")])
            async with asyncio.timeout(5):
                assert await waiting.wait(60)
            assert not await waiting.wait(0)

    on(act)


@pytest.mark.parametrize("order", ["soft", "hard"])
def test_a_heartbeat_that_waits_is_answered_with_a_new_order(order: str) -> None:
    async def act(site: Site) -> None:
        process = await queued(site)
        run = await site.run_of(process, AGENT, PHONE)
        runs = [RunReport(run.item_id, run.attempt)]
        message = Heartbeat(AGENT, runs, wait_ms=WAIT_MS)
        waiting = asyncio.ensure_future(reporting.heartbeat(site.engine, OPERATOR, message))
        while ("agent", 1, AGENT) not in site.engine.wakeup._listeners:
            await asyncio.sleep(0)
        await site.cancel(process, order)
        async with asyncio.timeout(0.9):
            orders = await waiting
        assert [one.order for one in orders] == [order]

    on(act)
