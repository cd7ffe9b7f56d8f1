"""Cancel, from every state and with every strategy: what it answers and how it ends."""

from __future__ import annotations

from itertools import pairwise, product

import pytest
from settable_engine import LEASE_MS, OPERATOR, STRANGER, Site
from situations import AGENT, PHONE, SITUATIONS, on, queued, running, scheduled, waiting

from procession import operations
from procession.core.errors import NotFound, WrongState
from procession.core.lifecycle import GRACE_MS
from procession.core.process import Process
from procession.core.settle import CANCEL_BOUND_MS
from procession.core.states import FINAL, ItemState, State
from procession.core.stopping import STRATEGIES
from procession.targets import Target

FORCE_AFTER_MS = 10_000
IDLE = (State.QUEUED, State.RETRYING, State.WAITING)


@pytest.mark.parametrize(("state", "strategy"), list(product(IDLE, STRATEGIES)))
def test_what_nobody_runs_is_cancelled_at_once(state: State, strategy: str) -> None:
    async def act(site: Site) -> None:
        before = await SITUATIONS[state](site)
        assert before.state is state
        done = await site.cancel(before, strategy, FORCE_AFTER_MS)
        item = await site.item(before)
        assert not done.ignored and done.active == []
        assert done.cancelled_item_ids == [item.item_id]
        assert done.process.state is State.CANCELLED
        assert done.process.standing.cancel_requested_ms == site.clock.now_ms
        assert (item.state, item.due_ms) == (ItemState.CANCELLED, None)
        names = await event_names(site, before)
        assert names[-2:] == ["cancel_requested", "cancelled"]

    on(act)


@pytest.mark.parametrize(
    ("state", "strategy"), list(product(sorted(FINAL - {State.PARTIAL}), STRATEGIES))
)
def test_what_has_ended_is_left_alone(state: State, strategy: str) -> None:
    async def act(site: Site) -> None:
        before = await SITUATIONS[state](site)
        done = await site.cancel(before, strategy)
        assert done.ignored and done.cancelled_item_ids == [] and done.active == []
        assert done.process == before == await site.process(before)

    on(act)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_what_runs_is_told_to_stop_as_its_strategy_says(strategy: str) -> None:
    async def act(site: Site) -> None:
        before = await running(site)
        done = await site.cancel(before, strategy, FORCE_AFTER_MS)
        assert done.process.state is State.CANCELLING and done.agent_alive
        assert [item.state for item in done.active] == [ItemState.RUNNING]
        order = "hard" if strategy == "hard" else "soft"
        assert done.active[0].order == order
        cancel = done.process.standing.cancel
        assert cancel is not None
        forced = strategy == "soft_then_force"
        assert cancel.force_at_ms == (site.clock.now_ms + FORCE_AFTER_MS if forced else None)

    on(act)


def test_no_delay_before_the_force_is_a_hard_cancel() -> None:
    async def act(site: Site) -> None:
        done = await site.cancel(await running(site), "soft_then_force", 0)
        assert done.active[0].order == "hard"

    on(act)


def test_a_hard_cancel_ends_in_its_bound_though_the_run_lives_on_and_holds_its_phone() -> None:
    async def act(site: Site) -> None:
        process = await queued(site)
        run = await site.run_of(process, AGENT, PHONE)
        await site.cancel(process, "hard")
        await site.pass_ms(CANCEL_BOUND_MS - 1)
        assert (await site.process(process)).state is State.CANCELLING
        await site.pass_ms(1)
        ended = await site.process(process)
        assert ended.state is State.CANCELLED and ended.standing.error is not None
        assert ended.standing.error.category == "cancelled"
        [order] = await site.beat(AGENT, run)
        assert order.order == "hard"
        following = await queued(site)
        assert await site.claim(AGENT, PHONE) == []
        answer = await site.finish(AGENT, run, "cancelled")
        assert (answer.accepted, answer.code) == (False, "lease_lost")
        assert (await site.process(process)) == ended
        assert [r.process_id for r in await site.claim(AGENT, PHONE)] == [following.process_id]

    on(act)


def test_a_soft_then_force_cancel_orders_the_kill_after_its_delay() -> None:
    async def act(site: Site) -> None:
        process = await queued(site)
        run = await site.run_of(process, AGENT, PHONE)
        await site.cancel(process, "soft_then_force", FORCE_AFTER_MS)
        [order] = await site.beat(AGENT, run)
        assert order.order == "soft"
        await site.pass_ms(FORCE_AFTER_MS)
        [order] = await site.beat(AGENT, run)
        assert order.order == "hard"
        await site.pass_ms(CANCEL_BOUND_MS)
        assert (await site.process(process)).state is State.CANCELLED

    on(act)


def test_a_soft_cancel_waits_for_the_run_but_not_for_a_dead_agent() -> None:
    async def act(site: Site) -> None:
        process = await queued(site)
        run = await site.run_of(process, AGENT, PHONE)
        await site.cancel(process, "soft")
        for _ in range(5):
            await site.pass_ms(LEASE_MS // 2)
            [order] = await site.beat(AGENT, run)
            assert order.order == "soft"
        assert (await site.process(process)).state is State.CANCELLING
        await site.pass_ms(LEASE_MS + GRACE_MS)
        assert (await site.process(process)).state is State.CANCELLED

    on(act)


def test_a_run_that_completes_after_all_is_completed() -> None:
    async def act(site: Site) -> None:
        process = await queued(site)
        run = await site.run_of(process, AGENT, PHONE)
        await site.cancel(process, "soft")
        assert (await site.finish(AGENT, run, "completed")).accepted
        assert (await site.process(process)).state is State.COMPLETED

    on(act)


def test_a_run_that_fails_while_it_is_cancelled_is_not_tried_again() -> None:
    async def act(site: Site) -> None:
        process = await queued(site)
        run = await site.run_of(process, AGENT, PHONE)
        await site.cancel(process, "soft")
        await site.finish(AGENT, run, "failed", retry=True)
        assert (await site.process(process)).final

    on(act)


STEPS = [("soft", 0), ("soft_then_force", 9_000), ("soft_then_force", 5_000), ("hard", 0)]
"""From mild to strict."""


@pytest.mark.parametrize(("milder", "stricter"), list(pairwise(STEPS)))
def test_a_repeated_cancel_may_be_stricter_never_milder(
    milder: tuple[str, int], stricter: tuple[str, int]
) -> None:
    async def act(site: Site) -> None:
        up, down = await running(site), None
        await site.cancel(up, *milder)
        escalated = await site.cancel(up, *stricter)
        assert escalated.process.standing.cancel != up.standing.cancel
        down = await site.cancel(up, *milder)
        assert down.process == escalated.process
        same = await site.cancel(up, *stricter)
        assert same.process == escalated.process

    on(act)


def test_cancelling_a_fan_out_ends_what_waits_and_tells_what_runs() -> None:
    async def act(site: Site) -> None:
        await site.register("b", "q", "r")
        target = Target("group", phone_ids=(PHONE, "q", "r"))
        process = (await site.submit(target)).process
        run = await site.run_of(process, AGENT, PHONE)
        done = await site.cancel(process, "soft")
        assert len(done.cancelled_item_ids) == 2
        assert [item.item_id for item in done.active] == [run.item_id]
        await site.finish(AGENT, run, "cancelled")
        assert (await site.process(process)).state is State.CANCELLED

    on(act)


def test_a_silent_agent_is_not_called_alive() -> None:
    async def act(site: Site) -> None:
        process = await running(site)
        site.clock.now_ms += operations.AGENT_SILENT_MS + 1
        done = await site.cancel(process, "hard")
        assert not done.agent_alive

    on(act)


def test_a_scheduled_item_is_cancelled_at_once_and_never_starts() -> None:
    async def act(site: Site) -> None:
        process = await scheduled(site)
        assert (await site.cancel(process)).process.state is State.CANCELLED
        await site.pass_ms(7_200_000)
        assert await site.claim(AGENT, PHONE) == []

    on(act)


def test_an_answer_comes_too_late_for_what_was_cancelled() -> None:
    async def act(site: Site) -> None:
        process = await waiting(site)
        await site.cancel(process)
        item = await site.item(process)
        with pytest.raises(WrongState):
            await operations.answer(
                site.engine, OPERATOR, process.process_id, item.item_id, "retry"
            )

    on(act)


def test_another_tenant_cannot_even_see_what_it_would_cancel() -> None:
    async def act(site: Site) -> None:
        process = await queued(site)
        for process_id in (process.process_id, "nobody"):
            with pytest.raises(NotFound):
                await operations.cancel(
                    site.engine,
                    STRANGER,
                    process_id,
                    strategy="hard",
                    reason="",
                    force_after_ms=0,
                )
        assert await site.process(process) == process

    on(act)


async def event_names(site: Site, process: Process) -> list[str]:
    log = await operations.events(site.engine, OPERATOR, process.process_id, 0, 100)
    return [event.name for event in log]
