"""Bulk cancel and retry: what matches, what becomes of each, and nothing at all in a dry run."""

from __future__ import annotations

import pytest
from settable_engine import OPERATOR, STRANGER, Site
from situations import AGENT, PHONE, SITUATIONS, on, queued
from written import written

from procession import bulk
from procession.bulk import BulkOutcome
from procession.core.process import Process
from procession.core.states import FINAL, State
from procession.store.store import Filter


async def one_of_each(site: Site) -> dict[State, Process]:
    """A process in every state but those that need the same phone at the same time."""
    made = {}
    for state in (State.WAITING, State.COMPLETED, State.FAILED, State.CANCELLED, State.RETRYING):
        made[state] = await SITUATIONS[state](site)
    made[State.RUNNING] = await SITUATIONS[State.RUNNING](site)
    made[State.QUEUED] = await queued(site)
    return {state: await site.process(process) for state, process in made.items()}


async def cancel(site: Site, wanted: Filter, dry_run: bool = False) -> tuple[int, dict[str, str]]:
    count, outcomes = await bulk.bulk_cancel(
        site.engine,
        OPERATOR,
        wanted,
        strategy="hard",
        reason="clean up",
        force_after_ms=0,
        dry_run=dry_run,
    )
    return count, {outcome.process_id: outcome.status for outcome in outcomes}


def test_everything_that_has_not_ended_is_cancelled() -> None:
    async def act(site: Site) -> None:
        made = (await one_of_each(site)).values()
        open_ids = {process.process_id for process in made if not process.final}
        count, outcomes = await cancel(site, Filter())
        assert count == len(open_ids) == len(outcomes) >= 3
        assert outcomes == dict.fromkeys(open_ids, "cancel_requested")
        states = {(await site.process(process)).state for process in made}
        assert states <= FINAL | {State.CANCELLING}

    on(act)


def test_a_dry_run_counts_and_changes_nothing() -> None:
    async def act(site: Site) -> None:
        made = (await one_of_each(site)).values()
        before = written(site)
        count, outcomes = await cancel(site, Filter(), dry_run=True)
        assert count == sum(not process.final for process in made) and outcomes == {}
        count, retried = await bulk.bulk_retry(site.engine, OPERATOR, Filter(), dry_run=True)
        assert count == sum(process.state is State.FAILED for process in made) and retried == []
        assert written(site) == before

    on(act)


@pytest.mark.parametrize("states", [("queued",), ("running", "completed"), ("completed",)])
def test_only_what_the_filter_matches_is_touched(states: tuple[str, ...]) -> None:
    async def act(site: Site) -> None:
        made = await one_of_each(site)
        count, outcomes = await cancel(site, Filter(states=states))
        hit = {made[State(s)].process_id for s in states if State(s) not in FINAL}
        assert count == len(hit) and set(outcomes) == hit
        for process in made.values():
            if process.process_id not in hit:
                assert await site.process(process) == process

    on(act)


def test_everything_that_failed_is_retried() -> None:
    async def act(site: Site) -> None:
        made = await one_of_each(site)
        failed = {p.process_id for p in made.values() if p.state is State.FAILED}
        count, outcomes = await bulk.bulk_retry(site.engine, OPERATOR, Filter(), dry_run=False)
        assert count == len(failed) >= 1
        assert outcomes == [BulkOutcome(process_id, "retried") for process_id in failed]

    on(act)


def test_one_that_is_refused_meanwhile_is_told_by_its_code(monkeypatch: pytest.MonkeyPatch) -> None:
    async def act(site: Site) -> None:
        process = await SITUATIONS[State.FAILED](site)
        other = await queued(site)
        ids = [process.process_id, other.process_id, "nobody"]

        async def matching(*_: object) -> list[str]:
            return ids

        monkeypatch.setattr(bulk, "_matching", matching)
        count, outcomes = await bulk.bulk_retry(site.engine, OPERATOR, Filter(), dry_run=False)
        assert count == 3
        assert [outcome.status for outcome in outcomes] == ["retried", "wrong_state", "not_found"]
        _, told = await cancel(site, Filter())
        assert told["nobody"] == "not_found"

    on(act)


def test_many_pages_are_all_taken_and_another_tenant_is_left_alone() -> None:
    async def act(site: Site) -> None:
        theirs = (await site.submit(caller=STRANGER)).process
        for _ in range(bulk.PAGE + 5):
            await site.submit()
        site.connection.forget()
        count, outcomes = await cancel(site, Filter())
        assert count == bulk.PAGE + 5 == len(outcomes)
        assert site.connection.statements["begin"] <= 4
        found = await site.engine.store.process(theirs.process_id)
        assert found is not None and found.state is State.QUEUED
        assert await site.claim(AGENT, PHONE) == []

    on(act)
