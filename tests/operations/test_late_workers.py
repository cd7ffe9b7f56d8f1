"""A run that no longer holds its item changes nothing, at whatever it tries to write."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
from settable_engine import LEASE_MS, OPERATOR, STRANGER, Site
from situations import AGENT, PHONE, on, queued
from written import written

from procession import fleet, operations, reporting
from procession.caller import Caller
from procession.core.lifecycle import GRACE_MS
from procession.core.process import Process
from procession.core.states import ItemState, State
from procession.protocol import (
    RESULT_BYTES_MAX,
    Assignment,
    Finish,
    Report,
    Result,
    RunReport,
)

Loss = Callable[[Site, Process, Assignment], Awaitable[None]]
OTHER = Caller("token-3", 1, "default", OPERATOR.scopes)


async def lease_over(site: Site, process: Process, run: Assignment) -> None:
    await site.pass_ms(LEASE_MS + GRACE_MS)


async def claimed_again(site: Site, process: Process, run: Assignment) -> None:
    await site.pass_ms(LEASE_MS + GRACE_MS + 60_000)
    assert (await site.run_of(process, AGENT, PHONE)).attempt == 2


async def released(site: Site, process: Process, run: Assignment) -> None:
    await fleet.release_phone(site.engine, OPERATOR, PHONE)


async def cancelled_and_over(site: Site, process: Process, run: Assignment) -> None:
    await site.cancel(process, "hard")
    await site.pass_ms(LEASE_MS + GRACE_MS)


async def completed(site: Site, process: Process, run: Assignment) -> None:
    await site.finish(AGENT, run, "completed")


LOSSES: list[Loss] = [lease_over, claimed_again, released, cancelled_and_over, completed]


@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: loss.__name__)
def test_a_late_worker_is_refused_at_every_write(loss: Loss) -> None:
    async def act(site: Site) -> None:
        process = await queued(site)
        run = await site.run_of(process, AGENT, PHONE)
        await loss(site, process, run)
        before = written(site)
        for told in ({}, {"started": True}, {"percent": 50.0}, {"message": "half"}):
            [order] = await site.beat(AGENT, run, **told)
            assert (order.order, order.attempt) == ("lost", run.attempt)
            reports = Report(AGENT, [RunReport(run.item_id, run.attempt, **told)])
            [order] = await reporting.report(site.engine, OPERATOR, reports)
            assert order.order == "lost"
        for outcome in ("completed", "failed", "cancelled"):
            if loss is completed and outcome == "completed":
                continue  # the same end told again is heard and changes nothing
            answer = await site.finish(AGENT, run, outcome, retry=True)
            if (await site.item(process)).state is not ItemState(outcome):
                assert (answer.accepted, answer.code) == (False, "lease_lost")
        assert written(site, but="agent") == {k: v for k, v in before.items() if k != "agent"}

    on(act)


@pytest.mark.parametrize(
    ("agent_id", "caller", "attempt"),
    [("b", OPERATOR, 1), (AGENT, OPERATOR, 2), (AGENT, OPERATOR, 0), ("s", STRANGER, 1)],
)
def test_nobody_else_can_write_for_a_run(agent_id: str, caller: Caller, attempt: int) -> None:
    async def act(site: Site) -> None:
        await site.register("b", "q")
        await site.register("s", "p", caller=STRANGER)
        process = await queued(site)
        run = await site.run_of(process, AGENT, PHONE)
        forged = Assignment(**{**asdict(run), "attempt": attempt})
        before = written(site)
        [order] = await site.beat(agent_id, forged, caller=caller, percent=99.0)
        assert order.order == "lost"
        answer = await site.finish(agent_id, forged, "completed", caller=caller, output="forged")
        assert not answer.accepted and answer.code in ("lease_lost", "not_found")
        assert written(site, but="agent") == {k: v for k, v in before.items() if k != "agent"}
        assert (await site.finish(AGENT, run)).accepted

    on(act)


def asdict(run: Assignment) -> dict[str, object]:
    return {name: getattr(run, name) for name in run.__struct_fields__}


def test_what_a_run_printed_is_kept_for_its_attempt() -> None:
    async def act(site: Site) -> None:
        process = await queued(site)
        run = await site.run_of(process, AGENT, PHONE)
        await site.finish(AGENT, run, "failed", retry=True, output="first")
        await site.pass_ms(60_000)
        run = await site.run_of(process, AGENT, PHONE)
        await site.finish(AGENT, run, "completed", output="second")
        read = await operations.outputs(site.engine, OPERATOR, process.process_id, run.item_id)
        assert [(one.attempt, one.text) for one in read] == [(1, "first"), (2, "second")]

    on(act)


def test_a_phone_released_by_an_operator_takes_the_next_item_and_the_old_run_is_lost() -> None:
    async def act(site: Site) -> None:
        process, following = await queued(site), await queued(site)
        run = await site.run_of(process, AGENT, PHONE)
        phone = await fleet.release_phone(site.engine, OPERATOR, PHONE)
        assert phone.lease is None
        assert (await site.item(process)).lost == 1
        [next_run] = await site.claim(AGENT, PHONE)
        assert next_run.process_id == following.process_id
        assert not (await site.finish(AGENT, run)).accepted

    on(act)


def test_releasing_a_phone_that_nobody_holds_changes_no_item() -> None:
    async def act(site: Site) -> None:
        process = await queued(site)
        before = written(site)
        await fleet.release_phone(site.engine, OPERATOR, PHONE)
        assert written(site, but="audit") == {k: v for k, v in before.items() if k != "audit"}
        assert (await site.process(process)).state is State.QUEUED

    on(act)


def test_releasing_the_phone_of_a_run_that_was_given_up_frees_it_only() -> None:
    async def act(site: Site) -> None:
        process = await queued(site)
        await site.run_of(process, AGENT, PHONE)
        await site.cancel(process, "hard")
        await site.pass_ms(4_000)
        ended = await site.process(process)
        await fleet.release_phone(site.engine, OPERATOR, PHONE)
        assert await site.process(process) == ended
        assert (await site.item(process)).lease_ms is None

    on(act)


def test_a_result_too_large_to_keep_fails_its_run() -> None:
    async def act(site: Site) -> None:
        process = await queued(site)
        run = await site.run_of(process, AGENT, PHONE)
        large = operations.Raw(b'"' + b"x" * RESULT_BYTES_MAX + b'"')
        result = Result(run.item_id, run.attempt, "completed", result=large)
        done = await reporting.finish(site.engine, OPERATOR, Finish(AGENT, [result]))
        assert done.answers[0].accepted
        ended = await site.process(process)
        assert ended.state is State.FAILED
        assert ended.standing.error is not None
        assert ended.standing.error.category == "rejected"

    on(act)
