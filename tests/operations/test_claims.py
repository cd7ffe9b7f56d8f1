"""Which phone gets which item: its own queue and the shared ones, oldest first, never others."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from settable_engine import OPERATOR, STRANGER, Site, settable

from procession import fleet, reporting, working
from procession.core.errors import Forbidden, NotFound
from procession.core.process import Process
from procession.protocol import Claim, Finish, PhoneReport, Register, Result
from procession.targets import Target


def on(act: Callable[[Site], Awaitable[None]]) -> None:
    async def run() -> None:
        async with settable() as site:
            await act(site)

    asyncio.run(run())


async def direct(site: Site, phone_id: str) -> Process:
    return (await site.submit(Target("group", phone_ids=(phone_id,)))).process


async def anywhere(site: Site, label: str | None = None) -> Process:
    return (await site.submit(Target("queue", phone_group=label))).process


async def taken_by(site: Site, *phone_ids: str) -> dict[str, str]:
    """What one claim gives each phone: phone to process."""
    return {run.phone_id: run.process_id for run in await site.claim("a", *phone_ids)}


def test_a_phone_takes_the_oldest_of_its_own_queue_and_the_shared_one() -> None:
    async def act(site: Site) -> None:
        await site.register("a", "p")
        wanted = [
            await anywhere(site),
            await direct(site, "p"),
            await direct(site, "p"),
            await anywhere(site),
        ]
        for process in wanted:
            [run] = await site.claim("a", "p")
            assert run.process_id == process.process_id
            await site.finish("a", run)
        assert await site.claim("a", "p") == []

    on(act)


def test_several_phones_share_a_queue_and_get_one_item_each() -> None:
    async def act(site: Site) -> None:
        await site.register("a", "p1", "p2", "p3")
        own = await direct(site, "p2")
        shared = [await anywhere(site) for _ in range(3)]
        taken = await taken_by(site, "p1", "p2", "p3")
        assert taken["p2"] == own.process_id
        assert {taken["p1"], taken["p3"]} == {p.process_id for p in shared[:2]}
        assert await taken_by(site, "p1", "p2", "p3") == {}

    on(act)


def test_a_fan_out_gives_each_phone_its_own_item_in_one_claim() -> None:
    async def act(site: Site) -> None:
        phones = ("p1", "p2", "p3")
        await site.register("a", *phones)
        process = (await site.submit(Target("group", phone_ids=phones))).process
        runs = await site.claim("a", *phones)
        assert {run.phone_id for run in runs} == set(phones)
        assert {run.process_id for run in runs} == {process.process_id}
        assert len({run.item_id for run in runs}) == 3

    on(act)


def test_work_for_a_group_of_phones_goes_to_phones_with_its_label_only() -> None:
    async def act(site: Site) -> None:
        await site.register("a", "p1", "p2")
        await fleet.edit_phone(site.engine, OPERATOR, "p2", labels=["Lab-A", "x"], paused=None)
        process = await anywhere(site, "LAB-A")
        assert await taken_by(site, "p1") == {}
        assert await taken_by(site, "p1", "p2") == {"p2": process.process_id}

    on(act)


@pytest.mark.parametrize("state", ["offline", "unauthorized", "unhealthy", "quarantined"])
def test_a_phone_that_is_not_well_gets_nothing(state: str) -> None:
    async def act(site: Site) -> None:
        await site.register("a", "p")
        await direct(site, "p")
        await site.register("a", "p", state=state)
        assert await site.claim("a", "p") == []
        await site.register("a", "p")
        assert len(await site.claim("a", "p")) == 1

    on(act)


def test_a_paused_phone_gets_nothing_until_it_is_resumed() -> None:
    async def act(site: Site) -> None:
        await site.register("a", "p")
        await direct(site, "p")
        await fleet.edit_phone(site.engine, OPERATOR, "p", labels=None, paused=True)
        assert await site.claim("a", "p") == []
        await fleet.edit_phone(site.engine, OPERATOR, "p", labels=None, paused=False)
        assert len(await site.claim("a", "p")) == 1

    on(act)


def test_a_phone_its_agent_no_longer_sees_gets_nothing() -> None:
    async def act(site: Site) -> None:
        await site.register("a", "p1", "p2")
        await direct(site, "p1")
        await site.register("a", "p2")
        assert await site.claim("a", "p1", "p2") == []

    on(act)


def test_an_agent_claims_for_its_own_phones_only() -> None:
    async def act(site: Site) -> None:
        await site.register("a", "p1")
        await site.register("b", "p2")
        await direct(site, "p2")
        assert await site.claim("a", "p1", "p2") == []
        assert len(await site.claim("b", "p1", "p2")) == 1

    on(act)


def test_work_of_another_tenant_is_never_given() -> None:
    async def act(site: Site) -> None:
        await site.register("a", "p")
        await site.register("s", "p", caller=STRANGER)
        theirs = (await site.submit(caller=STRANGER)).process
        assert await site.claim("a", "p") == []
        [run] = await site.claim("s", "p", caller=STRANGER)
        assert run.process_id == theirs.process_id
        ours = await direct(site, "p")  # a phone of the same name, held only for its own tenant
        [run] = await site.claim("a", "p")
        assert run.process_id == ours.process_id

    on(act)


def test_an_agent_belongs_to_the_token_that_registered_it() -> None:
    async def act(site: Site) -> None:
        await site.register("a", "p")
        other = OPERATOR.__class__("token-9", 1, "default", OPERATOR.scopes)
        with pytest.raises(Forbidden):
            await site.register("a", "p", caller=other)
        for stranger in (other, STRANGER):
            with pytest.raises(NotFound):
                await site.claim("a", "p", caller=stranger)
            with pytest.raises(NotFound):
                await site.beat("a", caller=stranger)
            with pytest.raises(NotFound):
                await working.drain(site.engine, stranger, "a")

    on(act)


def test_a_drain_of_a_former_life_does_not_bind_the_next() -> None:
    async def act(site: Site) -> None:
        message = Register("a", 1, "1", ["echo"], [PhoneReport("p", "available")])
        former = await working.register(site.engine, OPERATOR, message)
        site.clock.now_ms += 1
        await working.register(site.engine, OPERATOR, message)
        await working.drain(site.engine, OPERATOR, "a", former.server_time_ms)
        await site.submit()
        assert len(await site.claim("a", "p")) == 1

    on(act)


def test_an_agent_that_drains_takes_no_more_work_until_its_next_life() -> None:
    async def act(site: Site) -> None:
        await site.register("a", "p")
        first, second = await direct(site, "p"), await direct(site, "p")
        run = await site.run_of(first, "a", "p")
        await working.drain(site.engine, OPERATOR, "a")
        result = Result(run.item_id, run.attempt, "completed")
        done = await reporting.finish(site.engine, OPERATOR, Finish("a", [result], ["p"]))
        assert done.answers[0].accepted and done.items == []
        assert await site.claim("a", "p") == []
        await site.register("a", "p")
        assert [r.process_id for r in await site.claim("a", "p")] == [second.process_id]

    on(act)


def test_finishing_gives_the_next_item_in_the_same_breath() -> None:
    async def act(site: Site) -> None:
        await site.register("a", "p")
        first, second = await direct(site, "p"), await direct(site, "p")
        run = await site.run_of(first, "a", "p")
        result = Result(run.item_id, run.attempt, "completed")
        done = await reporting.finish(site.engine, OPERATOR, Finish("a", [result], ["p"]))
        assert [item.process_id for item in done.items] == [second.process_id]

    on(act)


@pytest.mark.parametrize("way", ["submit", "finish", "unpause", "recover"])
def test_a_claim_that_waits_is_woken_by_whatever_brings_work(way: str) -> None:
    async def act(site: Site) -> None:
        await site.register("a", "p")
        run = await site.run_of(await direct(site, "p"), "a", "p")
        if way == "submit":
            await site.finish("a", run)
        else:
            await direct(site, "p")
        if way == "unpause":
            await fleet.edit_phone(site.engine, OPERATOR, "p", labels=None, paused=True)
            await site.finish("a", run)
        if way == "recover":
            await site.register("a", "p", state="unhealthy")
            await site.finish("a", run)
        claim = Claim("a", ["p"], wait_ms=20_000)
        claiming = asyncio.ensure_future(working.claim(site.engine, OPERATOR, claim))
        while ("phone", 1, "p") not in site.engine.wakeup._listeners:
            await asyncio.sleep(0)
        assert not claiming.done()
        if way == "submit":
            await direct(site, "p")
        elif way == "finish":
            await site.finish("a", run)
        elif way == "unpause":
            await fleet.edit_phone(site.engine, OPERATOR, "p", labels=None, paused=False)
        else:
            phones = [PhoneReport("p")]
            register = Register("a", 1, "1", [], phones)
            await working.register(site.engine, OPERATOR, register)
        async with asyncio.timeout(0.9):  # below the timer that looks again by itself
            assert len(await claiming) == 1

    on(act)
