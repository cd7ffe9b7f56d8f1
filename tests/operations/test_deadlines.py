"""What time does: leases run out, tries come due, scheduled work starts, waits are given up."""

from __future__ import annotations

from unittest.mock import patch

import pytest
from settable_engine import LEASE_MS, START_MS, Site
from situations import AGENT, PHONE, SITUATIONS, on, queued, running

from procession import loops
from procession.capabilities.echo import Echo
from procession.core.lifecycle import GRACE_MS, RUN_SLACK_MS
from procession.core.settle import QUEUED_MS_MAX, WAITING_MS_MAX
from procession.core.states import FINAL, ItemState, State

DAY_MS = 86_400_000
ECHO_LIMIT_MS = 60_000
EXPECTED = {
    "retry": ItemState.RETRYING,
    "fail": ItemState.FAILED,
    "ask_human": ItemState.WAITING,
}


@pytest.mark.parametrize("policy", sorted(EXPECTED))
def test_a_lease_that_runs_out_interrupts_its_run(policy: str) -> None:
    async def act(site: Site) -> None:
        with patch.object(Echo, "on_interrupted", policy):
            process = await running(site)
        deadlines = loops.ItemDeadlines(site.engine)
        site.clock.now_ms += LEASE_MS + GRACE_MS - 1
        assert await deadlines.step(site.clock.now_ms) == 0
        site.clock.now_ms += 1
        assert await deadlines.step(site.clock.now_ms) == 1
        item = await site.item(process)
        assert (item.state, item.lost) == (EXPECTED[policy], 1)
        assert item.lease_ms is None
        assert await deadlines.step(site.clock.now_ms) == 0

    on(act)


def test_a_beat_puts_the_end_of_the_lease_off() -> None:
    async def act(site: Site) -> None:
        process = await queued(site)
        run = await site.run_of(process, AGENT, PHONE)
        for _ in range(5):
            await site.pass_ms(LEASE_MS)
            assert await site.beat(AGENT, run) == []
        assert (await site.process(process)).state is State.RUNNING

    on(act)


def test_an_item_that_keeps_losing_its_runs_is_given_up_as_poison() -> None:
    async def act(site: Site) -> None:
        process = await queued(site)
        for _ in range(4):
            assert (await site.process(process)).state is not State.FAILED
            await site.run_of(process, AGENT, PHONE)
            await site.pass_ms(LEASE_MS + GRACE_MS + 300_000)
        assert (await site.process(process)).state is State.FAILED
        assert await site.claim(AGENT, PHONE) == []

    on(act)


def test_a_failed_try_comes_back_when_its_pause_is_over() -> None:
    async def act(site: Site) -> None:
        process = await SITUATIONS[State.RETRYING](site)
        item = await site.item(process)
        assert item.due_ms == site.clock.now_ms + 1_000
        await site.pass_ms(999)
        assert await site.claim(AGENT, PHONE) == []
        await site.pass_ms(1)
        assert len(await site.claim(AGENT, PHONE)) == 1

    on(act)


@pytest.mark.parametrize("ahead_ms", [60_000, 30 * DAY_MS])
def test_scheduled_work_starts_at_its_time_and_not_before(ahead_ms: int) -> None:
    async def act(site: Site) -> None:
        process = (await site.submit(not_before_ms=START_MS + ahead_ms)).process
        assert (await site.item(process)).state is ItemState.SCHEDULED
        await site.pass_ms(ahead_ms - 1)
        assert await site.claim(AGENT, PHONE) == []
        await site.pass_ms(1)
        assert [run.process_id for run in await site.claim(AGENT, PHONE)] == [process.process_id]

    on(act)


def test_work_scheduled_for_the_past_is_queued_at_once() -> None:
    async def act(site: Site) -> None:
        process = (await site.submit(not_before_ms=START_MS)).process
        assert (await site.item(process)).state is ItemState.QUEUED

    on(act)


def test_a_run_past_its_time_limit_ends_as_timed_out_and_keeps_its_phone() -> None:
    async def act(site: Site) -> None:
        process = await queued(site)
        run = await site.run_of(process, AGENT, PHONE)
        for _ in range((ECHO_LIMIT_MS + RUN_SLACK_MS) // 5_000):
            await site.beat(AGENT, run)
            await site.pass_ms(5_000)
        ended = await site.process(process)
        assert ended.state is State.FAILED
        assert ended.standing.error is not None
        assert ended.standing.error.category == "timeout"
        [order] = await site.beat(AGENT, run)
        assert order.order == "hard"
        await queued(site)
        assert await site.claim(AGENT, PHONE) == []
        await site.pass_ms(LEASE_MS + GRACE_MS)
        assert len(await site.claim(AGENT, PHONE)) == 1

    on(act)


@pytest.mark.parametrize(
    ("state", "bound_ms"), [(State.QUEUED, QUEUED_MS_MAX), (State.WAITING, WAITING_MS_MAX)]
)
def test_a_wait_that_nobody_ends_is_given_up(state: State, bound_ms: int) -> None:
    async def act(site: Site) -> None:
        process = await SITUATIONS[state](site)
        assert process.due_ms == site.clock.now_ms + bound_ms
        deadlines = loops.ProcessDeadlines(site.engine)
        site.clock.now_ms += bound_ms - 1
        assert await deadlines.step(site.clock.now_ms) == 0
        site.clock.now_ms += 1
        assert await deadlines.step(site.clock.now_ms) == 1
        ended = await site.process(process)
        assert ended.state is State.FAILED
        assert ended.standing.error is not None
        assert ended.standing.error.category == "timeout"

    on(act)


@pytest.mark.parametrize("state", sorted(set(SITUATIONS) - FINAL))
def test_every_state_ends_without_anybody_s_help(state: State) -> None:
    async def act(site: Site) -> None:
        process = await SITUATIONS[state](site)
        await site.pass_ms(100 * DAY_MS)
        assert (await site.process(process)).final
        item = await site.item(process)
        assert item.lease_ms is None and item.due_ms is None

    on(act)


def test_two_servers_may_run_the_same_loop() -> None:
    async def act(site: Site) -> None:
        process = await running(site)
        site.clock.now_ms += LEASE_MS + GRACE_MS
        found = await site.connection.fetch("due_items", now_ms=site.clock.now_ms, limit=10)
        twice = [loops.ItemDeadlines(site.engine), loops.ItemDeadlines(site.engine)]
        for item_id, process_id in found:
            for loop in twice:
                await loop._expire(item_id, process_id)
        assert (await site.item(process)).lost == 1

    on(act)


def test_a_server_that_was_down_takes_nobody_s_phone_away() -> None:
    async def act(site: Site) -> None:
        process = await queued(site)
        run = await site.run_of(process, AGENT, PHONE)
        site.clock.now_ms += 3_600_000
        await loops.renew_all_leases(site.engine, alone=True)
        await site.step()
        item = await site.item(process)
        # The hour was longer than the run's own limit: it is over, but its phone is held.
        assert item.state is ItemState.FAILED
        assert item.lease_ms == site.clock.now_ms + LEASE_MS
        [order] = await site.beat(AGENT, run)
        assert order.order == "hard"

    on(act)


def test_a_server_that_was_down_shortly_ends_no_run() -> None:
    async def act(site: Site) -> None:
        process = await queued(site)
        run = await site.run_of(process, AGENT, PHONE)
        site.clock.now_ms += ECHO_LIMIT_MS
        await loops.renew_all_leases(site.engine, alone=True)
        await site.step()
        assert await site.beat(AGENT, run) == []
        assert (await site.finish(AGENT, run)).accepted
        assert (await site.process(process)).state is State.COMPLETED

    on(act)


def test_phones_of_a_silent_agent_are_shown_offline() -> None:
    async def act(site: Site) -> None:
        silent = loops.SilentPhones(site.engine)
        site.clock.now_ms += loops.PHONE_SILENT_MS
        await silent.step(site.clock.now_ms)
        assert await healths(site) == ["available"]
        site.clock.now_ms += 1
        await silent.step(site.clock.now_ms)
        assert await healths(site) == ["offline"]
        await site.register(AGENT, PHONE)
        assert await healths(site) == ["available"]

    on(act)


async def healths(site: Site) -> list[str]:
    return [row[2] for row in await site.connection.fetch("list_phones", tenant_id=1)]
