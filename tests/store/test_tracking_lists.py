"""Pages by offset, and totals: right for every filter, from either end, on both databases."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from databases import Database, PostgresDatabase, migrated, raw
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from made import made_process
from msgspec.structs import replace

from procession.core.process import Process
from procession.core.states import State
from procession.store import tracking_lists
from procession.store.ledger import ended
from procession.store.migrate import migrate
from procession.store.rows import text_of
from procession.store.sqlite import SqliteConnection
from procession.store.store import Store
from procession.store.tracking_lists import Listing, Wanted, list_tracked

NOW_MS = 1_700_000_000_000
COUNT = 180
TRACKED = "steps"
TYPES = (TRACKED, TRACKED, TRACKED, "Export", "echo", "task")
STATES = (State.COMPLETED, State.FAILED, State.RUNNING, State.CANCELLED)
SPACES = ("default", "team.north")
NAMES = ("Ship order {}", "straße {}", "100% of _{}_", "Ünïcode {}", 'quo"te \\ {}', "ab")
ENDED = (State.COMPLETED, State.FAILED, State.CANCELLED)


def name_of(number: int) -> str:
    return NAMES[number % len(NAMES)].format(number % 30)


def varied(number: int) -> Process:
    made = made_process(number, state=STATES[number % 4])
    return replace(
        made,
        tenant_id=2 if number % 17 == 0 else 1,
        process_type=TYPES[number // 4 % len(TYPES)],
        namespace=SPACES[number // 3 % 2],
    )


def metadata_of(number: int) -> dict[str, str]:
    pairs = {"env": "prod" if number % 3 else "test", "order": str(number % 7)}
    return pairs if varied(number).process_type == TRACKED else {}


def template_of(number: int) -> str | None:
    return f"template-{number % 5}" if number % 2 else None


async def fill(store: Store, count: int = COUNT) -> None:
    connection = store.connection
    await connection.begin()
    made = [varied(number) for number in range(count)]
    await store.insert_processes([(one, text_of(one.standing)) for one in made])
    for number, process in enumerate(made):
        if process.process_type == TRACKED:
            await connection.execute(
                "insert_tracked",
                process_id=process.process_id,
                name=name_of(number).lower(),
                template_id=template_of(number),
            )
        for key, value in metadata_of(number).items():
            words = {"process_id": process.process_id, "key": key, "value": value}
            await connection.execute("insert_process_metadata", **words)
    await connection.commit()


def means(wanted: Wanted, number: int) -> bool:
    """What a filter says, without a database."""
    one = varied(number)
    tracked = one.process_type == TRACKED
    name = name_of(number) if tracked else one.process_type
    held = metadata_of(number)
    return (
        one.tenant_id == 1
        and one.process_type != "task"
        and (not wanted.states or one.state.value in wanted.states)
        and wanted.namespace in ("", one.namespace)
        and wanted.search in name.lower()
        and (not wanted.template_id or (tracked and template_of(number) == wanted.template_id))
        and all(held.get(key) == value for key, value in wanted.metadata)
    )


def expected(wanted: Wanted, count: int = COUNT) -> list[str]:
    numbers = [number for number in range(count) if means(wanted, number)]
    ids = [f"request-{number}" for number in numbers]
    return ids if wanted.oldest_first else ids[::-1]


async def asked(store: Store, wanted: Wanted, offset: int, limit: int) -> Listing:
    async def pause() -> None:
        pass

    return await list_tracked(
        store.connection,
        1,
        wanted,
        tracked_type=TRACKED,
        offset=offset,
        limit=limit,
        pause=pause,
    )


WANTED = st.builds(
    Wanted,
    states=st.lists(st.sampled_from([s.value for s in STATES]), max_size=2, unique=True).map(tuple),
    namespace=st.sampled_from(["", "", *SPACES, "none"]),
    search=st.sampled_from(
        [
            "",
            "",
            "ship",
            "order 2",
            "ß",
            "%",
            "_1",
            "0%",
            "ünï",
            'e\\" ',
            'quo"te \\',
            "ab",
            "export",
        ]
    ).map(str.lower),
    template_id=st.sampled_from(["", "", "", "template-1", "template-3", "none"]),
    metadata=st.lists(
        st.sampled_from([("env", "prod"), ("env", "test"), ("order", "3"), ("none", "x")]),
        max_size=2,
        unique_by=lambda pair: pair[0],
    ).map(tuple),
    oldest_first=st.booleans(),
)


@pytest.fixture(scope="module")
def filled() -> Iterator[Store]:
    connection = SqliteConnection(":memory:")
    ended(migrate(connection, NOW_MS))
    store = Store(connection)
    ended(fill(store))
    yield store
    connection.close()


@pytest.fixture(params=["few at once", "walked", "counted"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """By which way a page is found: limits so small that even few processes are too many."""
    if request.param != "few at once":
        monkeypatch.setattr(tracking_lists, "FEW_MAX", 3)
        monkeypatch.setattr(tracking_lists, "COUNT_MAX", 3)
        monkeypatch.setattr(tracking_lists, "PIECE_MAX", 20)
    if request.param == "counted":
        monkeypatch.setattr(tracking_lists, "SKIP_MIN", 2)
        monkeypatch.setattr(tracking_lists, "STREAMS_MAX", 1)
    name: str = request.param
    return name


@settings(
    max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(wanted=WANTED, offset=st.integers(0, 60), limit=st.integers(1, 40))
def test_a_page_holds_what_the_filter_means_from_its_offset_on(
    filled: Store, way: str, wanted: Wanted, offset: int, limit: int
) -> None:
    found: Listing = ended(asked(filled, wanted, offset, limit))
    all_ids = expected(wanted)
    assert [one.request_id for one in found.processes] == all_ids[offset : offset + limit]
    if way == "few at once":
        assert found.counted == (len(all_ids), True)
    if found.counted.exact:
        assert found.counted.total == len(all_ids)
    assert found.counted.total >= len(found.processes)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(states=st.sampled_from([(), ("failed",), ("running", "failed")]), offset=st.integers(0, 250))
def test_a_deep_page_is_where_it_was_counted_to_be(
    filled: Store, monkeypatch: pytest.MonkeyPatch, states: tuple[str, ...], offset: int
) -> None:
    monkeypatch.setattr(tracking_lists, "COUNT_MAX", 3)
    monkeypatch.setattr(tracking_lists, "SKIP_MIN", 2)
    for oldest_first in (False, True):
        wanted = Wanted(states=states, oldest_first=oldest_first)
        found: Listing = ended(asked(filled, wanted, offset, 7))
        all_ids = expected(wanted)
        assert [one.request_id for one in found.processes] == all_ids[offset : offset + 7]


def run(database: Database, act: Any) -> None:
    async def body() -> None:
        async with migrated(database) as store:
            await fill(store, 60)
            await act(store)

    asyncio.run(body())


ASKED = (
    Wanted(),
    Wanted(states=("running",), namespace="default", oldest_first=True),
    Wanted(search="ship ord"),
    Wanted(search="straße 1"),
    Wanted(search="0% of _"),
    Wanted(search='quo"te \\'),
    Wanted(search="b"),
    Wanted(search="xpor", oldest_first=True),
    Wanted(template_id="template-3", metadata=(("env", "prod"), ("order", "3"))),
    Wanted(template_id="template-1", search="order", states=("failed", "running")),
)


async def compare(store: Store) -> None:
    for wanted in ASKED:
        found = await asked(store, wanted, 1, 60)
        assert [one.request_id for one in found.processes] == expected(wanted, 60)[1:], wanted
        assert found.counted == (len(expected(wanted, 60)), True)


def test_both_databases_list_alike_whatever_the_way(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def act(store: Store) -> None:
        await compare(store)
        monkeypatch.setattr(tracking_lists, "FEW_MAX", 3)
        monkeypatch.setattr(tracking_lists, "COUNT_MAX", 3)
        monkeypatch.setattr(tracking_lists, "SKIP_MIN", 2)
        for wanted in ASKED:
            for offset in (0, 4):
                found = await asked(store, wanted, offset, 5)
                ids = [one.request_id for one in found.processes]
                assert ids == expected(wanted, 60)[offset : offset + 5], wanted

    run(database, act)


def test_a_postgresql_without_trigrams_finds_the_same(
    request: pytest.FixtureRequest, database: Database
) -> None:
    if not isinstance(database, PostgresDatabase):
        return

    async def act(store: Store) -> None:
        await raw(store, "DROP EXTENSION pg_trgm CASCADE")
        await compare(store)

    run(database, act)


def test_templates_are_told_once_each_and_in_order(database: Database) -> None:
    async def act(store: Store) -> None:
        found = await store.connection.fetch("tracked_templates", tenant_id=1, limit=100)
        numbers = [n for n in range(60) if varied(n).process_type == TRACKED]
        held = {template_of(n) for n in numbers if varied(n).tenant_id == 1} - {None}
        assert [row[0] for row in found] == sorted(str(one) for one in held)

    run(database, act)
