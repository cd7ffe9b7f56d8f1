"""Whatever is written is read back as it was, column by column."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator

import pytest
from databases import Database, migrated
from generated import ITEM_ID, PROCESS_ID, events, items, processes
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from rows_written import insert_events, insert_items, update_items, write

from procession.core.process import Event, Item, Process
from procession.store import rows
from procession.store.store import Filter, Store

ITEM_FIXED = ("item_id", "process_id", "tenant_id", "capability", "queue", "step", "inputs")
often = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


Act = Callable[[Store], Awaitable[None]]
InATransaction = Callable[[Act], None]


@pytest.fixture
def in_a_transaction(database: Database) -> Iterator[InATransaction]:
    """Runs what it is given on a migrated database and takes back what that wrote.

    All examples of a test have one connection, as all turns of a server do.
    """
    with asyncio.Runner() as runner:
        opened = migrated(database)
        store = runner.run(opened.__aenter__())

        async def run(act: Act) -> None:
            await store.connection.begin()
            try:
                await act(store)
            finally:
                await store.connection.rollback()

        yield lambda act: runner.run(run(act))
        runner.run(opened.__aexit__(None, None, None))


async def insert_process(store: Store, process: Process) -> None:
    text = rows.text_of(process.standing)
    assert await store.insert_processes([(process, text)]) == {process.process_id}


async def told_by_its_columns(store: Store, process: Process) -> None:
    """What queries filter on says the same as the values."""
    now = process.standing
    wanted = Filter(
        states=(now.state.value,),
        phone_id=now.phone_id or "",
        account_id=now.account_id or "",
    )
    assert await store.list_processes(process.tenant_id, wanted, limit=2)
    fetch = store.connection.fetch
    if now.finished_ms is not None:
        after_ms = now.finished_ms + 1
        assert await fetch("prunable_processes", before_ms=after_ms, limit=2)
        assert not await fetch("prunable_processes", before_ms=now.finished_ms, limit=2)
    if process.due_ms is not None:
        assert await fetch("due_processes", now_ms=process.due_ms, limit=2)
        assert not await fetch("due_processes", now_ms=process.due_ms - 1, limit=2)


@often
@given(processes)
def test_a_process_is_read_back_as_it_was_inserted(
    in_a_transaction: InATransaction, process: Process
) -> None:
    async def act(store: Store) -> None:
        await insert_process(store, process)
        found = await store.process(PROCESS_ID)
        assert found is not None and found.number > 0
        assert replace(found, number=0) == process
        assert await store.lock_processes([PROCESS_ID]) == {PROCESS_ID: found}
        request = await store.request(
            process.tenant_id, process.process_type, process.system, process.request_id
        )
        assert request == found

    in_a_transaction(act)


@often
@given(processes, processes)
def test_an_update_changes_all_of_a_process_that_can_change(
    in_a_transaction: InATransaction, before: Process, other: Process
) -> None:
    after = replace(before, version=other.version, due_ms=other.due_ms, standing=other.standing)

    async def act(store: Store) -> None:
        await insert_process(store, before)
        text = rows.text_of(after.standing)
        await write(store, "update_process", [rows.process_update_row(after, text, before.version)])
        found = await store.process(PROCESS_ID)
        assert found is not None
        assert replace(found, number=0) == after
        await told_by_its_columns(store, after)

    in_a_transaction(act)


@often
@given(items())
def test_an_item_is_read_back_as_it_was_inserted(
    in_a_transaction: InATransaction, item: Item
) -> None:
    async def act(store: Store) -> None:
        await insert_items(store, [item])
        assert await store.items([ITEM_ID]) == {ITEM_ID: item}

    in_a_transaction(act)


@often
@given(items(), items())
def test_an_update_changes_all_of_an_item_that_can_change(
    in_a_transaction: InATransaction, before: Item, other: Item
) -> None:
    after = replace(other, **{name: getattr(before, name) for name in ITEM_FIXED})

    async def act(store: Store) -> None:
        await insert_items(store, [before])
        await update_items(store, [(before, after)])
        assert await store.items([ITEM_ID]) == {ITEM_ID: after}

    in_a_transaction(act)


@often
@given(st.lists(events, max_size=4, unique_by=lambda event: event.seq))
def test_events_are_read_back_in_their_order(
    in_a_transaction: InATransaction, some: list[Event]
) -> None:
    async def act(store: Store) -> None:
        await insert_events(store, some)
        read = await store.events(PROCESS_ID, after=0, limit=10)
        told = [(e.seq, e.name, e.at_ms, dict(e.data)) for e in sorted(some, key=lambda e: e.seq)]
        assert [(e.seq, e.name, e.at_ms, json.loads(e.data)) for e in read] == told
        stood = await store.standings(PROCESS_ID, after=0, limit=10)
        by_seq = {event.seq: event.standing for event in some}
        assert {one.seq: one.standing for one in stood} == by_seq

    in_a_transaction(act)
