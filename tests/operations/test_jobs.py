"""Jobs over the worker protocol: lanes, checkpoints, drafts and the decisions about them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import pytest
from msgspec import Raw
from msgspec.json import decode
from settable_engine import OPERATOR, STRANGER, Site, settable

from procession import fleet, operations, reporting, starting, working
from procession.core.errors import Forbidden, Invalid, NotFound, PhoneUnknown, WrongState
from procession.core.process import Process, item_id_of
from procession.core.states import State
from procession.jobs.job import Decision
from procession.protocol import (
    Assignment,
    Finish,
    JobTerms,
    PhoneReport,
    Register,
    Result,
    RunError,
    RunReport,
)
from procession.targets import Target

LANES = ("w/job-1", "w/job-2")
YES, NO = Decision("approve", {"rows": [3]}), Decision("reject")


def on(act: Callable[[Site], Awaitable[None]]) -> None:
    async def run() -> None:
        async with settable() as site:
            await act(site)

    asyncio.run(run())


async def hire(site: Site, *lanes: str, types: Sequence[str] = ("draft", "echo")) -> None:
    reports = [
        PhoneReport(lane, job_types=[JobTerms(name, 2) for name in types])
        for lane in lanes or LANES
    ]
    await working.register(site.engine, OPERATOR, Register("w", 1, "1", [], reports))


async def begin(site: Site, job_type: str = "draft", inputs: str = '{"value":1}') -> Process:
    site.requests += 1
    request = starting.JobRequest(
        job_type=job_type,
        namespace="default",
        system="workspace",
        request_id=f"job-{site.requests}",
        inputs=Raw(inputs.encode()),
        requested_by=Raw(b"{}"),
    )
    return (await starting.start_job(site.engine, OPERATOR, request)).process


async def end(site: Site, run: Assignment, outcome: Any, **more: Any) -> bool:
    result = Result(run.item_id, run.attempt, outcome, **more)
    done = await reporting.finish(site.engine, OPERATOR, Finish("w", [result]))
    return done.answers[0].accepted


async def state(site: Site, process: Process) -> State:
    return (await operations.find(site.engine, OPERATOR, process.process_id)).state


async def at_review(site: Site) -> tuple[Process, Assignment]:
    process = await begin(site)
    [run] = await site.claim("w", LANES[0])
    await site.beat("w", run, started=True)
    assert await end(site, run, "waiting", result=Raw(b'{"rows":2}'))
    return process, run


def test_a_lane_takes_only_jobs_of_the_types_it_knows_and_a_phone_none() -> None:
    async def act(site: Site) -> None:
        await site.register("a", "p")
        await hire(site, types=["echo"])
        await begin(site)
        for_a_phone = (await site.submit(Target("queue"))).process
        echo = await begin(site, "echo", "{}")
        assert [run.process_id for run in await site.claim("w", *LANES)] == [echo.process_id]
        assert [run.process_id for run in await site.claim("a", "p")] == [for_a_phone.process_id]
        assert await site.claim("a", "p") == []

    on(act)


def test_lanes_are_no_phones_and_cannot_be_targeted_or_taken_for_one() -> None:
    async def act(site: Site) -> None:
        await site.register("a", "p")
        await hire(site)
        assert [phone.phone_id for phone in await fleet.phones(site.engine, OPERATOR)] == ["p"]
        with pytest.raises(PhoneUnknown):
            await site.submit(Target("group", phone_ids=(LANES[0],)))
        with pytest.raises(Forbidden):
            await hire(site, "p")

    on(act)


def test_a_draft_frees_its_lane_and_waits_until_a_person_has_decided() -> None:
    async def act(site: Site) -> None:
        await hire(site, LANES[0])
        process, run = await at_review(site)
        assert await state(site, process) is State.WAITING
        now = await operations.find(site.engine, OPERATOR, process.process_id)
        assert await starting.draft_of(site.engine, now) == {"rows": 2}
        other = await begin(site)
        [next_run] = await site.claim("w", LANES[0])
        assert next_run.process_id == other.process_id
        await end(site, next_run, "completed")
        decided = await starting.review_job(site.engine, OPERATOR, process.process_id, YES)
        assert decided.state is State.QUEUED
        assert await starting.draft_of(site.engine, decided) is None
        [again] = await site.claim("w", LANES[0])
        assert (again.item_id, again.attempt) == (run.item_id, run.attempt + 1)
        assert decode(again.decisions or b"") == [{"decision": "approve", "edits": {"rows": [3]}}]
        assert await end(site, again, "completed", result=Raw(b'{"ok":true}'))
        assert await state(site, process) is State.COMPLETED

    on(act)


def test_a_draft_told_twice_is_one_draft() -> None:
    async def act(site: Site) -> None:
        await hire(site, LANES[0])
        process, run = await at_review(site)
        before = await operations.find(site.engine, OPERATOR, process.process_id)
        assert await end(site, run, "waiting", result=Raw(b'{"rows":9}'))
        after = await operations.find(site.engine, OPERATOR, process.process_id)
        assert after.version == before.version
        assert await starting.draft_of(site.engine, after) == {"rows": 2}

    on(act)


def test_a_review_is_no_further_try_and_decisions_come_in_their_order() -> None:
    async def act(site: Site) -> None:
        await hire(site, LANES[0])
        process, _ = await at_review(site)
        await starting.review_job(site.engine, OPERATOR, process.process_id, YES)
        [second] = await site.claim("w", LANES[0])
        await end(site, second, "waiting", result=Raw(b"[]"))
        await starting.review_job(site.engine, OPERATOR, process.process_id, NO)
        [third] = await site.claim("w", LANES[0])
        words = decode(third.decisions or b"", type=list[Decision])
        assert [word.decision for word in words] == ["approve", "reject"]
        assert await end(site, third, "failed", error=RunError("it broke", retry=True))
        assert await state(site, process) is State.FAILED

    on(act)


def test_only_what_waits_for_a_review_can_be_reviewed_and_only_once() -> None:
    async def act(site: Site) -> None:
        await hire(site, LANES[0])
        running = await begin(site)
        with pytest.raises(WrongState):
            await starting.review_job(site.engine, OPERATOR, running.process_id, YES)
        [run] = await site.claim("w", LANES[0])
        await end(site, run, "completed")
        process, _ = await at_review(site)
        with pytest.raises(NotFound):
            await starting.review_job(site.engine, STRANGER, process.process_id, YES)
        item_id = item_id_of(process.process_id, 0)
        with pytest.raises(WrongState):
            await operations.answer(site.engine, OPERATOR, process.process_id, item_id, "retry")
        await starting.review_job(site.engine, OPERATOR, process.process_id, YES)
        with pytest.raises(WrongState):
            await starting.review_job(site.engine, OPERATOR, process.process_id, NO)

    on(act)


def test_a_cancelled_draft_is_asked_of_nobody() -> None:
    async def act(site: Site) -> None:
        await hire(site, LANES[0])
        process = await begin(site)
        [run] = await site.claim("w", LANES[0])
        await site.beat("w", run, started=True)
        await operations.cancel(
            site.engine,
            OPERATOR,
            process.process_id,
            strategy="soft",
            reason="enough",
            force_after_ms=0,
        )
        assert await end(site, run, "waiting", result=Raw(b"{}"))
        assert await state(site, process) is State.CANCELLED

    on(act)


def test_a_run_goes_on_from_the_last_checkpoint_however_the_one_before_ended() -> None:
    async def act(site: Site) -> None:
        await hire(site, LANES[0])
        process = await begin(site)
        [run] = await site.claim("w", LANES[0])
        assert bytes(run.checkpoint) == b"null"
        report = RunReport(run.item_id, run.attempt, True, 10.0, "a tenth", Raw(b'{"row":100}'))
        await reporting.report(site.engine, OPERATOR, reporting.Report("w", [report]))
        assert await end(site, run, "failed", error=None, checkpoint=Raw(b'{"row":120}'))
        await operations.retry(site.engine, OPERATOR, process.process_id)
        [again] = await site.claim("w", LANES[0])
        assert decode(again.checkpoint or b"") == {"row": 120}
        late = RunReport(run.item_id, run.attempt, checkpoint=Raw(b'{"row":1}'))
        [order] = await reporting.report(site.engine, OPERATOR, reporting.Report("w", [late]))
        assert order.order == "lost"
        notes = await site.engine.store.notes([run.item_id])
        assert notes[run.item_id, "checkpoint"] == '{"row":120}'

    on(act)


@pytest.mark.parametrize(
    ("job_type", "inputs", "pointer"),
    [("nobody_knows", "{}", "/type"), ("draft", "{}", "/input"), ("sleep", "[]", "/input")],
)
def test_what_no_worker_could_run_is_refused_by_the_field(
    job_type: str, inputs: str, pointer: str
) -> None:
    async def act(site: Site) -> None:
        with pytest.raises(Invalid) as refused:
            await begin(site, job_type, inputs)
        assert refused.value.pointer == pointer

    on(act)


def test_a_type_only_a_worker_knows_is_accepted() -> None:
    async def act(site: Site) -> None:
        await hire(site, types=["own_import"])
        process = await begin(site, "own_import", '{"anything":[1]}')
        [run] = await site.claim("w", LANES[0])
        assert run.process_id == process.process_id
        assert process.request.attempts_max == 2
        assert process.request.time_limit_ms == 3_600_000

    on(act)
