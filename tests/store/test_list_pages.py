"""Pages and totals: right for every filter, whole by their cursors, bounded whatever is asked."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from databases import Database, migrated
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from made import made_item, made_process
from msgspec.structs import replace
from rows_written import insert_items
from watched_connection import WatchedConnection

from procession.core.process import Process
from procession.core.states import State
from procession.store import lists
from procession.store.ledger import ended
from procession.store.lists import Filter, Page
from procession.store.migrate import migrate
from procession.store.rows import text_of
from procession.store.sqlite import SqliteConnection
from procession.store.store import Store

NOW_MS = 1_700_000_000_000
STATES = (State.COMPLETED, State.FAILED, State.QUEUED, State.RUNNING)
TYPES = ("echo", "sleep", "Export")
SPACES = ("default", "team.north")
COUNT = 240


def varied(number: int) -> Process:
    """Process `number` of a tenant; every thirteenth is a fan-out."""
    fan_out = number % 13 == 0
    made = made_process(
        number,
        request_id=f"Order-{number * 7919 % 1000:03d}",
        state=STATES[number % 4],
        phone_id=None if fan_out else f"phone_{number % 5}",
        account_id=None if fan_out else f"account_{number % 7}",
        items=3 if fan_out else 1,
    )
    kind = TYPES[number // 4 % 3]
    return replace(made, process_type=kind, namespace=SPACES[number // 3 % 2])


async def fill(store: Store, count: int = COUNT) -> list[Process]:
    """Newest first."""
    made = [varied(number) for number in range(count)]
    await store.connection.begin()
    await store.insert_processes([(one, text_of(one.standing)) for one in made])
    for number in range(0, count, 13):
        parts = [
            replace(
                made_item(made[number], part),
                phone_id=f"phone_{part}" if number % 2 else None,
                account_id=f"account_{part}",
            )
            for part in range(3)
        ]
        await insert_items(store, parts)
    await store.connection.commit()
    return made[::-1]


def means(wanted: Filter, number: int) -> bool:
    """What a filter says, without a database."""
    one, fan_out = varied(number), number % 13 == 0
    phones = {f"phone_{part}" for part in range(3)} if number % 2 else set()
    accounts = {f"account_{part}" for part in range(3)}
    words = (one.request_id, one.process_type, one.standing.account_id or "")
    return (
        (not wanted.states or one.state.value in wanted.states)
        and wanted.process_type in ("", one.process_type)
        and wanted.namespace in ("", one.namespace)
        and wanted.request_id in ("", one.request_id)
        and (
            not wanted.phone_id
            or wanted.phone_id in (phones if fan_out else {one.standing.phone_id})
        )
        and (
            not wanted.account_id
            or wanted.account_id in (accounts if fan_out else {one.standing.account_id})
        )
        and any(wanted.search.lower() in word.lower() for word in words)
    )


FILTERS = st.builds(
    Filter,
    states=st.lists(st.sampled_from([s.value for s in STATES]), max_size=2, unique=True).map(tuple),
    process_type=st.sampled_from(["", "", *TYPES, "none"]),
    phone_id=st.sampled_from(["", "", "phone_0", "phone_1", "phone_4", "none"]),
    account_id=st.sampled_from(["", "", "account_0", "account_2", "account_6"]),
    request_id=st.sampled_from(["", "", "", "Order-919", "Order-0"]),
    namespace=st.sampled_from(["", "", *SPACES, "none"]),
    search=st.sampled_from(["", "", "order-9", "EXPORT", "t_1", "%", "9"]),
)


@pytest.fixture(scope="module")
def filled() -> Iterator[Store]:
    connection = SqliteConnection(":memory:")
    ended(migrate(connection, NOW_MS))
    store = Store(connection)
    ended(fill(store))
    yield store
    connection.close()


@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(wanted=FILTERS, limit=st.integers(1, 60))
def test_pages_together_hold_what_the_filter_means_newest_first(
    filled: Store, wanted: Filter, limit: int
) -> None:
    seen: list[Process] = []
    below: int | None = lists.LATEST
    while below is not None:
        page: Page = ended(filled.page_processes(1, wanted, below=below, limit=limit))
        assert len(page.processes) <= limit
        seen += page.processes
        below = page.below
    expected = [varied(n).process_id for n in range(COUNT)[::-1] if means(wanted, n)]
    assert [one.request_id for one in seen] == [
        varied(n).request_id for n in range(COUNT)[::-1] if means(wanted, n)
    ]
    assert len(seen) == len(expected)
    assert ended(filled.count_processes(1, wanted)) == (len(expected), True)


def run(database: Database, act: Callable[[Store], Any]) -> Any:
    async def body() -> Any:
        async with migrated(database) as store:
            return await act(store)

    return asyncio.run(body())


def test_both_databases_list_alike(database: Database) -> None:
    async def act(store: Store) -> None:
        made = await fill(store)
        for wanted in (
            Filter(),
            Filter(states=("failed", "running"), namespace="team.north"),
            Filter(phone_id="phone_1"),
            Filter(account_id="account_2", states=("queued",)),
            Filter(search="ORDER-9", process_type="sleep"),
            Filter(request_id="Order-919"),
        ):
            found = await store.list_processes(1, wanted, limit=COUNT)
            mine = [n for n in range(COUNT)[::-1] if means(wanted, n)]
            assert [one.process_id for one in found] == [
                made[COUNT - 1 - number].process_id for number in mine
            ]
            assert await store.count_processes(1, wanted) == (len(mine), True)
        assert await store.list_processes(2, Filter(), limit=5) == []
        assert await store.count_processes(2, Filter()) == (0, True)

    run(database, act)


def test_a_page_looks_at_a_bounded_number_of_rows_and_says_where_to_go_on(
    filled: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lists, "SCANNED_MAX", 50)
    watched = WatchedConnection(filled.connection)
    store = Store(watched)
    wanted = Filter(search="no such thing")
    below: int | None = lists.LATEST
    pages = 0
    while below is not None:
        watched.forget()
        page = ended(store.page_processes(1, wanted, below=below, limit=10))
        assert page.processes == []
        assert watched.rows["newest_of_kind"] <= 50 * lists.GROWTH
        below, pages = page.below, pages + 1
    assert COUNT // 50 <= pages <= COUNT // 40 + 1


def test_totals_beyond_what_is_counted_are_estimates_and_say_so(
    filled: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lists, "COUNT_MAX", 20)
    monkeypatch.setattr(lists, "COUNT_SCANNED_MAX", 20)
    monkeypatch.setattr(lists, "SCANNED_MAX", 20)
    for wanted in (Filter(), Filter(states=("failed",)), Filter(search="order")):
        exactly = sum(means(wanted, number) for number in range(COUNT))
        total, exact = ended(filled.count_processes(1, wanted))
        assert not exact
        assert 0.7 * exactly <= total <= 1.3 * exactly


def test_a_tenant_with_more_kinds_than_can_be_merged_is_walked(
    filled: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lists, "STREAMS_MAX", 3)
    wanted = Filter(states=("running",))
    found = ended(filled.list_processes(1, wanted, limit=COUNT))
    assert len(found) == sum(means(wanted, number) for number in range(COUNT))


def test_items_alone_in_their_process_cost_no_entry_in_the_indexes_of_fan_outs(
    tmp_path: Path,
) -> None:
    connection = SqliteConnection(str(tmp_path / "one.db"))
    ended(migrate(connection, NOW_MS))
    store = Store(connection)
    process = made_process(1, phone_id="phone_1")
    ended(connection.begin())
    ended(store.insert_processes([(process, text_of(process.standing))]))
    ended(insert_items(store, [replace(made_item(process, 0), phone_id="phone_1")]))
    ended(connection.commit())
    connection.close()
    with sqlite3.connect(tmp_path / "one.db") as db:
        assert db.execute("SELECT fan_out_number FROM item").fetchall() == [(None,)]


def test_a_statement_is_asked_once_a_row_and_says_which(database: Database) -> None:
    async def act(store: Store) -> None:
        await fill(store, 30)
        wants = [(1, f"phone_{n}", lists.LATEST, 2) for n in (4, 9, 1)]
        found = await store.connection.fetch_each("newest_of_phone", wants)
        assert sorted(row[0] for row in found) == [1, 1, 3, 3]
        assert await store.connection.fetch_each("newest_of_phone", []) == []
        states = json.loads(text_of([row[1] for row in found]))
        assert len(set(states)) == 4

    run(database, act)
