"""The store's promises: keys, guards, lists; the same over every database."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import pytest
from databases import Database, migrated
from made import made_item, made_process
from msgspec.structs import replace
from rows_written import insert_items, update_items, write

from procession.core.process import Event, Process, item_id_of
from procession.core.states import ItemState, State
from procession.store import rows
from procession.store.store import Filter, Store, WriteConflict, like

T = TypeVar("T")


def on(database: Database, act: Callable[[Store], Awaitable[T]]) -> T:
    async def run() -> T:
        async with migrated(database) as store:
            return await act(store)

    return asyncio.run(run())


async def insert(store: Store, *processes: Process) -> set[str]:
    return await store.insert_processes([(p, rows.text_of(p.standing)) for p in processes])


def test_of_two_with_the_same_key_in_one_batch_the_first_is_kept(database: Database) -> None:
    first, second = made_process(1, request_id="same"), made_process(2, request_id="same")
    third = made_process(3)

    async def act(store: Store) -> set[str]:
        return await insert(store, first, second, third)

    assert on(database, act) == {first.process_id, third.process_id}


def test_a_key_that_is_taken_is_found_and_not_inserted(database: Database) -> None:
    first, second = made_process(1, request_id="same"), made_process(2, request_id="same")

    async def act(store: Store) -> Process | None:
        await insert(store, first)
        assert await insert(store, second) == set()
        assert await store.process(second.process_id) is None
        return await store.request(1, first.process_type, first.system, "same")

    found = on(database, act)
    assert found is not None and found.process_id == first.process_id


@pytest.mark.parametrize(
    "other", [{"tenant_id": 2}, {"process_type": "fail"}, {"system": "s2"}, {"request_id": "r2"}]
)
def test_each_part_of_the_key_makes_another_request(
    database: Database, other: dict[str, object]
) -> None:
    first = made_process(1, request_id="r")
    second = replace(made_process(2, request_id="r"), **other)

    async def act(store: Store) -> set[str]:
        return await insert(store, first, second)

    assert on(database, act) == {first.process_id, second.process_id}


def test_an_update_from_a_version_that_is_not_there_is_a_conflict(database: Database) -> None:
    process = made_process(1)
    later = replace(process, version=3)

    async def act(store: Store) -> Process | None:
        await insert(store, process)
        text = rows.text_of(later.standing)
        with pytest.raises(WriteConflict):
            await write(store, "update_process", [rows.process_update_row(later, text, 2)])
        return await store.process(process.process_id)

    found = on(database, act)
    assert found is not None and found.version == process.version


@pytest.mark.parametrize("stale", [{"attempt": 1}, {"state": ItemState.RETRYING, "due_ms": 1}])
def test_an_item_that_is_not_as_it_was_read_is_a_conflict(
    database: Database, stale: dict[str, object]
) -> None:
    item = made_item(made_process(1), 0)

    async def act(store: Store) -> None:
        await insert_items(store, [item])
        with pytest.raises(WriteConflict):
            await update_items(store, [(replace(item, **stale), replace(item, lost=1))])
        assert await store.items([item.item_id]) == {item.item_id: item}

    on(database, act)


def test_one_conflict_among_many_updates_is_noticed(database: Database) -> None:
    processes = [made_process(n) for n in range(5)]

    async def act(store: Store) -> None:
        await insert(store, *processes)
        updates = [
            rows.process_update_row(replace(p, version=2), "[]", 1 if n != 3 else 7)
            for n, p in enumerate(processes)
        ]
        with pytest.raises(WriteConflict, match="4 of 5"):
            await write(store, "update_process", updates)

    on(database, act)


def test_pages_show_every_process_once_while_others_are_added(database: Database) -> None:
    processes = [made_process(n) for n in range(25)]

    async def act(store: Store) -> list[str]:
        await insert(store, *processes)
        seen: list[Process] = await store.list_processes(1, Filter(), limit=10)
        for page in range(4):
            await insert(store, made_process(100 + page))
            seen += await store.list_processes(1, Filter(), below=seen[-1].number, limit=10)
        return [process.process_id for process in seen]

    assert on(database, act) == [process.process_id for process in reversed(processes)]


def test_a_list_shows_only_what_every_word_of_its_filter_says(database: Database) -> None:
    wanted = made_process(1, state=State.RUNNING, phone_id="p1", account_id="a1")
    others = [
        made_process(2, state=State.QUEUED, phone_id="p1", account_id="a1"),
        made_process(3, state=State.RUNNING, phone_id="p2", account_id="a1"),
        made_process(4, state=State.RUNNING, phone_id="p1", account_id="a2"),
        replace(wanted, process_id=made_process(5).process_id, namespace="n2", request_id="5"),
        replace(wanted, process_id=made_process(6).process_id, process_type="f", request_id="6"),
        replace(wanted, process_id=made_process(7).process_id, tenant_id=2),
    ]
    words = Filter(
        states=("running", "retrying"),
        process_type="echo",
        phone_id="p1",
        account_id="a1",
        request_id=wanted.request_id,
        namespace="default",
        search="REQUEST-1",
    )

    async def act(store: Store) -> list[str]:
        await insert(store, wanted, *others)
        for word, value in words._asdict().items():
            alone = await store.list_processes(1, Filter(**{word: value}), limit=10)
            assert wanted.process_id in [p.process_id for p in alone], word
        return [p.process_id for p in await store.list_processes(1, words, limit=10)]

    assert on(database, act) == [wanted.process_id]


@pytest.mark.parametrize("search", ["50%", "a_b", "c\\d", "%", "_", "\\", "\\%", "it's", "GRÖ"])
def test_a_search_takes_wildcards_literally(database: Database, search: str) -> None:
    texts = ["50% off", "50 off", "a_b", "aXb", "c\\d", "cd", "\\%", "it's", "its", "GRÖSSE"]
    processes = [made_process(n, request_id=text) for n, text in enumerate(texts)]

    async def act(store: Store) -> set[str]:
        await insert(store, *processes)
        found = await store.list_processes(1, Filter(search=search), limit=50)
        return {process.request_id for process in found}

    assert on(database, act) == {text for text in texts if search in text}


def test_a_search_pattern_escapes_its_wildcards() -> None:
    assert like("") == ""
    assert like("A%_\\") == "%A\\%\\_\\\\%"


def test_items_are_read_in_pages_and_never_those_of_a_neighbour(database: Database) -> None:
    process = made_process(1, items=7)
    next_door = replace(made_process(2), process_id=item_id_of(process.process_id, 7))
    items = [made_item(process, position) for position in range(7)]

    async def act(store: Store) -> None:
        await insert_items(store, [*items, made_item(next_door, 0)])
        assert await store.process_items(process) == items
        page = await store.process_items(process, limit=3)
        page += await store.process_items(process, after=page[-1].item_id, limit=10)
        assert page == items
        ended = replace(items[4], state=ItemState.COMPLETED, finished_ms=1)
        await update_items(store, [(items[4], ended)])
        assert await store.completed_item_ids(process) == [ended.item_id]

    on(database, act)


def test_the_log_is_read_on_from_where_a_reader_stopped(database: Database) -> None:
    process = made_process(1)

    async def act(store: Store) -> list[int]:
        events = [rows.event_row(e, "[]") for e in process_events(process, 5)]
        await store.connection.execute_many("insert_event", events)
        first = await store.events(process.process_id, after=0, limit=2)
        rest = await store.events(process.process_id, after=first[-1].seq, limit=10)
        return [event.seq for event in first + rest]

    assert on(database, act) == [1, 2, 3, 4, 5]


def process_events(process: Process, count: int) -> list[Event]:
    return [
        Event(process.process_id, seq, "progress", seq, {}, process.standing)
        for seq in range(1, count + 1)
    ]
