"""Retry and answer, from every state: what may be tried again, and what it then is."""

from __future__ import annotations

import pytest
from settable_engine import LEASE_MS, OPERATOR, STRANGER, Site
from situations import AGENT, PHONE, SITUATIONS, failed, on, partial, queued, waiting

from procession import operations
from procession.core.errors import NotFound, WrongState
from procession.core.lifecycle import GRACE_MS, RUN_SLACK_MS
from procession.core.process import Process
from procession.core.states import RETRIABLE, ItemState, State

ECHO_LIMIT_MS = 60_000


async def retry(site: Site, process: Process) -> Process:
    return await operations.retry(site.engine, OPERATOR, process.process_id)


@pytest.mark.parametrize("state", sorted(set(SITUATIONS) - RETRIABLE))
def test_what_did_not_fail_cannot_be_retried(state: State) -> None:
    async def act(site: Site) -> None:
        process = await SITUATIONS[state](site)
        with pytest.raises(WrongState):
            await retry(site, process)
        assert await site.process(process) == process

    on(act)


def test_what_failed_is_queued_again_under_the_same_ids_and_can_complete() -> None:
    async def act(site: Site) -> None:
        process = await failed(site)
        assert process.standing.error is not None
        again = await retry(site, process)
        assert (again.process_id, again.state) == (process.process_id, State.QUEUED)
        assert again.standing.error is None and again.standing.finished_ms is None
        assert again.standing.retrying_ms == site.clock.now_ms
        run = await site.run_of(process, AGENT, PHONE)
        assert run.attempt == 2
        await site.finish(AGENT, run, "completed")
        assert (await site.process(process)).state is State.COMPLETED

    on(act)


def test_a_retry_of_a_partial_success_repeats_only_what_failed() -> None:
    async def act(site: Site) -> None:
        process = await partial(site)
        done, broken = await site.item(process, 0), await site.item(process, 1)
        assert (done.state, broken.state) == (ItemState.COMPLETED, ItemState.FAILED)
        again = await retry(site, process)
        assert not again.final
        assert await site.item(process, 0) == done
        run = await site.run_of(process, "b", "q")
        assert run.item_id == broken.item_id
        await site.finish("b", run, "completed")
        assert (await site.process(process)).state is State.COMPLETED

    on(act)


def test_a_retried_item_may_fail_as_often_again_as_its_capability_says() -> None:
    async def act(site: Site) -> None:
        process = await queued(site)
        for life in range(2):
            for attempt in range(1, 4):
                run = await site.run_of(process, AGENT, PHONE)
                assert run.attempt == 3 * life + attempt
                await site.finish(AGENT, run, "failed", retry=True)
                await site.pass_ms(600_000)
            assert (await site.process(process)).state is State.FAILED
            if life == 0:
                await retry(site, process)

    on(act)


def test_a_retry_waits_until_the_former_run_is_dead_or_its_hold_is_over() -> None:
    async def act(site: Site) -> None:
        process = await queued(site)
        run = await site.run_of(process, AGENT, PHONE)
        for _ in range((ECHO_LIMIT_MS + RUN_SLACK_MS) // 10_000):
            await site.pass_ms(10_000)
            await site.beat(AGENT, run)
        overran = await site.process(process)
        assert overran.state is State.FAILED
        assert overran.standing.error is not None
        assert overran.standing.error.category == "timeout"
        held = await site.item(process)
        assert held.lease_ms is not None
        again = await retry(site, process)
        assert again.state is State.RETRYING
        await site.pass_ms(LEASE_MS + GRACE_MS - 1)
        assert await site.claim(AGENT, PHONE) == []
        await site.pass_ms(1)
        [run] = await site.claim(AGENT, PHONE)
        assert run.attempt == held.attempt + 1

    on(act)


def test_a_retry_may_be_asked_for_once_only() -> None:
    async def act(site: Site) -> None:
        process = await failed(site)
        await retry(site, process)
        with pytest.raises(WrongState):
            await retry(site, process)

    on(act)


@pytest.mark.parametrize(("decision", "state"), [("retry", State.QUEUED), ("fail", State.FAILED)])
def test_a_person_decides_about_an_interrupted_run(decision: str, state: State) -> None:
    async def act(site: Site) -> None:
        process = await waiting(site)
        item = await site.item(process)
        assert item.state is ItemState.WAITING and item.lease_ms is None
        decided = await operations.answer(
            site.engine, OPERATOR, process.process_id, item.item_id, decision
        )
        assert decided.state is state
        assert len(await site.claim(AGENT, PHONE)) == (1 if decision == "retry" else 0)

    on(act)


def test_an_answer_is_for_an_item_of_its_own_process_and_tenant() -> None:
    async def act(site: Site) -> None:
        process, other = await waiting(site), await queued(site)
        item = await site.item(process)
        for caller, process_id, item_id in (
            (STRANGER, process.process_id, item.item_id),
            (OPERATOR, other.process_id, item.item_id),
            (OPERATOR, process.process_id, "nothing"),
        ):
            with pytest.raises(NotFound):
                await operations.answer(site.engine, caller, process_id, item_id, "retry")
        with pytest.raises(NotFound):
            await operations.retry(site.engine, STRANGER, process.process_id)

    on(act)
