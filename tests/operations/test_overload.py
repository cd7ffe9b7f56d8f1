"""Too much at once is refused whole: nothing is written, nothing is left over."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from settable_engine import OPERATOR, Site
from situations import AGENT, PHONE, on, queued
from written import written

from procession import loops, operations, reporting
from procession.core.errors import Overloaded
from procession.core.process import Process
from procession.core.states import State
from procession.protocol import Assignment, Finish, FinishAnswer, Report, Result, RunReport
from procession.store import ledger

Asked = Callable[[Site, Process, Assignment], Awaitable[Any]]


def report(site: Site, _: Process, run: Assignment) -> Awaitable[Any]:
    message = Report(AGENT, [RunReport(run.item_id, run.attempt, percent=1.0)])
    return reporting.report(site.engine, OPERATOR, message)


def retry(site: Site, process: Process, _: Assignment) -> Awaitable[Any]:
    return operations.retry(site.engine, OPERATOR, process.process_id)


ASKED: dict[str, Asked] = {
    "submit": lambda site, process, run: site.submit(),
    "cancel": lambda site, process, run: site.cancel(process),
    "retry": retry,
    "heartbeat": lambda site, process, run: site.beat(AGENT, run, run),
    "report": report,
    "claim": lambda site, process, run: site.claim(AGENT, PHONE),
}


@pytest.mark.parametrize("name", sorted(ASKED))
def test_an_operation_is_refused_when_too_much_waits(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def act(site: Site) -> None:
        unheard: list[dict[str, Any]] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, told: unheard.append(told))
        process = await queued(site)
        run = await site.run_of(process, AGENT, PHONE)
        before = written(site)
        monkeypatch.setattr(ledger, "WAITING_MAX", 0)
        with pytest.raises(Overloaded):
            await ASKED[name](site, process, run)
        for _ in range(5):
            await asyncio.sleep(0)
        gc.collect()
        assert written(site) == before
        assert unheard == []

    on(act)


def test_an_end_that_could_not_be_written_is_not_answered_so_that_it_is_told_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def act(site: Site) -> None:
        process = await queued(site)
        run = await site.run_of(process, AGENT, PHONE)
        result = Result(run.item_id, run.attempt, "completed", output="printed")
        with monkeypatch.context() as full:
            full.setattr(ledger, "WAITING_MAX", 0)
            with pytest.raises(Overloaded):
                await reporting.finish(site.engine, OPERATOR, Finish(AGENT, [result], [PHONE]))
        done = await reporting.finish(site.engine, OPERATOR, Finish(AGENT, [result]))
        assert done.answers == [FinishAnswer(run.item_id, run.attempt, True)]
        assert (await site.process(process)).state is State.COMPLETED

    on(act)


def test_a_loop_that_finds_the_queue_full_tries_again_with_its_next_step(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def act(site: Site) -> None:
        process = await queued(site)
        await site.run_of(process, AGENT, PHONE)
        site.clock.now_ms += 60_000
        deadlines = loops.ItemDeadlines(site.engine)
        with monkeypatch.context() as full:
            full.setattr(ledger, "WAITING_MAX", 0)
            await deadlines.step(site.clock.now_ms)
        assert (await site.item(process)).lost == 0
        await deadlines.step(site.clock.now_ms)
        assert (await site.item(process)).lost == 1

    on(act)
