"""Retention: finished records go whole once they are old, and never while anything still hangs."""

from __future__ import annotations

import pytest
from settable_engine import LEASE_MS, Site
from situations import AGENT, PHONE, SITUATIONS, cancelled, completed, on, queued, running
from written import written

from procession import loops
from procession.core.lifecycle import GRACE_MS
from procession.core.process import Process
from procession.core.states import FINAL
from procession.targets import Target

KEPT_MS = 2 * loops.DAY_MS
TABLES = ("process", "item", "event", "delivery", "output")
CALLBACK = {"callback_url": "http://a/", "callback_origin": "http://a"}


async def prune(site: Site) -> int:
    return await loops.Retention(site.engine).step(site.clock.now_ms)


def rows(site: Site, process: Process) -> dict[str, int]:
    """How many rows of each table tell of the process."""
    found = written(site)
    return {
        table: sum(process.process_id in map(str, row) for row in found[table]) for table in TABLES
    }


def test_a_finished_record_goes_whole_and_its_neighbours_stay() -> None:
    async def act(site: Site) -> None:
        before, old, after = await queued(site), await queued(site), await queued(site)
        await site.cancel(before)
        run = await site.run_of(old, AGENT, PHONE)
        await site.finish(AGENT, run, output="printed")
        kept = rows(site, after)
        assert rows(site, old)["output"] == 1
        site.clock.now_ms += KEPT_MS
        await site.cancel(after)
        assert await prune(site) == 0
        site.clock.now_ms += 1
        assert await prune(site) == 2
        assert rows(site, old) == rows(site, before) == dict.fromkeys(TABLES, 0)
        assert rows(site, after) == kept | {"event": kept["event"] + 2}
        assert await prune(site) == 0

    on(act, retention_days=2)


@pytest.mark.parametrize("state", sorted(set(SITUATIONS) - FINAL))
def test_what_has_not_ended_stays_however_old_it_is(state: str) -> None:
    async def act(site: Site) -> None:
        process = await SITUATIONS[state](site)  # type: ignore[index]
        site.clock.now_ms += 365 * loops.DAY_MS
        assert await prune(site) == 0
        assert rows(site, process)["process"] == 1

    on(act, retention_days=2)


def test_a_record_stays_while_a_callback_is_owed() -> None:
    async def act(site: Site) -> None:
        process = (await site.submit(**CALLBACK)).process
        await site.cancel(process)
        site.clock.now_ms += KEPT_MS + 1
        assert await prune(site) == 0
        assert rows(site, process)["delivery"] == 4
        for row in await site.connection.fetch("list_deliveries", process_id=process.process_id):
            await site.connection.execute(
                "record_delivery",
                delivery_id=row[0],
                attempt=0,
                state="delivered",
                due_ms=None,
                tries="[]",
            )
        assert await prune(site) == 1
        assert rows(site, process) == dict.fromkeys(TABLES, 0)

    on(act, retention_days=2)


def test_a_record_stays_while_its_run_still_holds_a_phone() -> None:
    async def act(site: Site) -> None:
        process = await running(site)
        await site.cancel(process, "hard")
        await site.pass_ms(4_000)
        assert (await site.process(process)).final
        site.clock.now_ms += KEPT_MS + 1  # and nobody has looked at the lease since
        assert await prune(site) == 0
        await site.step()
        assert await prune(site) == 1
        assert (await site.claim(AGENT, PHONE)) == []

    on(act, retention_days=2)


def test_a_batch_is_small_in_items_too_and_a_large_fan_out_goes_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(loops, "PRUNE_ITEMS_MAX", 3)

    async def act(site: Site) -> None:
        await site.register(AGENT, *(f"{PHONE}-{n}" for n in range(5)))
        phones = tuple(f"{PHONE}-{n}" for n in range(5))
        for target in (Target("group", phone_ids=phones), Target("queue"), Target("queue")):
            await site.cancel((await site.submit(target)).process)
        site.clock.now_ms += KEPT_MS + 1
        assert [await prune(site) for _ in range(3)] == [1, 2, 0]
        assert (await site.connection.fetch("last_number"))[0][0] is None

    on(act, retention_days=2)


def test_a_batch_costs_the_same_number_of_statements_however_many_go() -> None:
    async def statements(site: Site, count: int) -> int:
        for _ in range(count):
            await cancelled(site)
        site.clock.now_ms += KEPT_MS + 1
        before = sum(site.connection.statements.values())
        assert await prune(site) == count
        return sum(site.connection.statements.values()) - before

    async def act(site: Site) -> None:
        assert await statements(site, 2) == await statements(site, 40)

    on(act, retention_days=2)


def test_much_goes_in_small_batches() -> None:
    async def act(site: Site) -> None:
        for _ in range(loops.PRUNE_MAX + 3):
            await cancelled(site)
        last = await completed(site)
        site.clock.now_ms += KEPT_MS + LEASE_MS + GRACE_MS
        assert await prune(site) == loops.PRUNE_MAX
        assert await prune(site) == 4
        assert await prune(site) == 0
        assert rows(site, last) == dict.fromkeys(TABLES, 0)
        assert (await site.connection.fetch("last_number"))[0][0] is None

    on(act, retention_days=2)
