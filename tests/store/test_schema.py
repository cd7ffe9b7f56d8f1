"""What must never be written is refused by the schema, whatever the code above believes."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence

import pytest
from databases import PostgresDatabase, SqliteDatabase, migrated, raw

from procession.store.store import Store

Refusals = tuple[type[Exception], ...]

PROCESS = """INSERT INTO process (process_id, tenant_id, namespace, process_type, system,
  request_id, created_ms, version, state, finished_ms, standing, request)
VALUES ('{process_id}', {tenant_id}, 'n', 'echo', 's', '{request_id}', 1, {version}, '{state}',
  {finished_ms}, '[]', '{{}}')"""
ITEM = """INSERT INTO item (item_id, process_id, tenant_id, capability, queue, step, state, attempt,
  attempts_max, lost, due_ms, lease_ms, stop_order, phone_id, finished_ms, result)
VALUES ('{item_id}', 'p', {tenant_id}, 'echo', 'phones', 'run', '{state}', 1, 1, 0, {due_ms},
  {lease_ms}, '{order}', {phone_id}, {finished_ms}, '{{}}')"""
DELIVERY = """INSERT INTO delivery (process_id, seq, origin, state, attempt, due_ms, tries)
VALUES ('p', 1, 'http://a', '{state}', 0, {due_ms}, '[]')"""
EVENT = """INSERT INTO event (process_id, seq, name, at_ms, data, standing)
VALUES ('p', {seq}, 'accepted', 1, '{{}}', '[]')"""
TENANT = "INSERT INTO tenant (tenant_id, name, created_ms) VALUES ({tenant_id}, '{name}', 1)"
TOKEN = """INSERT INTO token (token_id, tenant_id, name, token_hash, scopes, namespace, created_ms)
VALUES ('{token_id}', 1, 'n', '{token_hash}', '[]', 'n', 1)"""

WELL = {
    "tenant_id": 1,
    "process_id": "p",
    "request_id": "r",
    "version": 1,
    "item_id": "i",
    "order": "none",
    "state": "queued",
    "due_ms": "NULL",
    "lease_ms": "NULL",
    "phone_id": "NULL",
    "finished_ms": "NULL",
    "seq": 1,
    "name": "n",
    "token_id": "t",
    "token_hash": "h",
}
HELD = {"state": "running", "due_ms": 2, "lease_ms": 1, "phone_id": "'a'"}
ENDED = {"state": "completed", "finished_ms": 1}


def filled(text: str, **values: object) -> str:
    return text.format(**(WELL | values))


class Schema:
    """One migrated database for all tests of this file; each takes back what it wrote."""

    def __init__(self, runner: asyncio.Runner, store: Store, refusals: Refusals) -> None:
        self._runner, self._store, self._refusals = runner, store, refusals

    def accepts(self, *texts: str) -> bool:
        """Whether the last statement is accepted after the ones before it were."""
        return self._runner.run(self._accepts(texts))

    async def _accepts(self, texts: Sequence[str]) -> bool:
        await self._store.connection.begin()
        try:
            for text in texts[:-1]:
                await raw(self._store, text)
            try:
                await raw(self._store, texts[-1])
            except self._refusals:
                return False
            return True
        finally:
            await self._store.connection.rollback()


@pytest.fixture(scope="module", params=["postgresql", "sqlite"])
def schema(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Schema]:
    database = (
        SqliteDatabase(tmp_path_factory.mktemp("schema"))
        if request.param == "sqlite"
        else PostgresDatabase(request.getfixturevalue("postgres").address("schema"))
    )
    with asyncio.Runner() as runner:
        opened = migrated(database)
        yield Schema(runner, runner.run(opened.__aenter__()), database.refusals)
        runner.run(opened.__aexit__(None, None, None))


@pytest.mark.parametrize(
    ("text", "bad"),
    [
        (PROCESS, {"state": "sleeping"}),
        (PROCESS, {"state": ""}),
        (PROCESS, {"version": 0}),
        (PROCESS, {"state": "completed"}),
        (PROCESS, {"state": "partial"}),
        (PROCESS, {"state": "failed"}),
        (PROCESS, {"state": "cancelled"}),
        (PROCESS, {"finished_ms": 5}),
        (PROCESS, {"state": "cancelling", "finished_ms": 5}),
        (ITEM, {"state": "cancelling"}),
        (ITEM, {"order": "gently"}),
        (ITEM, {"state": "claimed"}),
        (ITEM, {"state": "running", "phone_id": "'a'", "due_ms": 1}),
        (ITEM, {"lease_ms": 1, "due_ms": 2}),
        (ITEM, {"lease_ms": 1, "phone_id": "'a'"}),
        (ITEM, {"state": "completed"}),
        (ITEM, {"state": "failed"}),
        (ITEM, {"state": "cancelled"}),
        (ITEM, {"finished_ms": 5}),
        (ITEM, HELD | {"finished_ms": 5}),
        (DELIVERY, {"state": "pending"}),
        (DELIVERY, {"state": "delivered", "due_ms": 5}),
        (DELIVERY, {"state": "lost"}),
    ],
)
def test_a_row_that_contradicts_itself_is_refused(
    schema: Schema, text: str, bad: dict[str, object]
) -> None:
    assert not schema.accepts(filled(text, **bad))


@pytest.mark.parametrize(
    ("text", "good"),
    [
        (PROCESS, {}),
        (PROCESS, ENDED),
        (ITEM, {}),
        (ITEM, HELD),
        (ITEM, HELD | {"state": "claimed"}),
        (ITEM, ENDED),
        (ITEM, HELD | ENDED),
        (ITEM, {"state": "retrying", "due_ms": 3}),
        (DELIVERY, {"state": "pending", "due_ms": 5}),
        (DELIVERY, {"state": "delivered"}),
        (EVENT, {}),
    ],
)
def test_a_row_that_makes_sense_is_accepted(
    schema: Schema, text: str, good: dict[str, object]
) -> None:
    assert schema.accepts(filled(text, **good))


@pytest.mark.parametrize("second", ["claimed", "running", "completed", "retrying"])
def test_a_phone_is_held_by_one_item_at_a_time(schema: Schema, second: str) -> None:
    ended = {"finished_ms": 1} if second == "completed" else {}
    other = filled(ITEM, **(HELD | {"item_id": "j", "state": second} | ended))
    assert not schema.accepts(filled(ITEM, **HELD), other)


def test_phones_of_the_same_name_belong_to_their_tenants(schema: Schema) -> None:
    other = filled(ITEM, **(HELD | {"item_id": "j", "tenant_id": 2}))
    assert schema.accepts(filled(ITEM, **HELD), other)


def test_a_given_up_lease_gives_the_phone_to_the_next(schema: Schema) -> None:
    freed = "UPDATE item SET lease_ms = NULL, state = 'queued' WHERE item_id = 'i'"
    assert schema.accepts(filled(ITEM, **HELD), freed, filled(ITEM, **(HELD | {"item_id": "j"})))


@pytest.mark.parametrize(
    ("text", "again"),
    [
        (PROCESS, {"process_id": "q"}),
        (PROCESS, {"request_id": "r2"}),
        (ITEM, {}),
        (EVENT, {}),
        (TENANT, {"tenant_id": 2}),
        (TENANT, {"name": "other"}),
        (TOKEN, {"token_id": "u"}),
        (TOKEN, {"token_hash": "other"}),
    ],
)
def test_what_is_unique_is_refused_twice(
    schema: Schema, text: str, again: dict[str, object]
) -> None:
    tenant = [] if text is TENANT else [filled(TENANT)]
    assert not schema.accepts(*tenant, filled(text), filled(text, **again))


def test_the_same_request_is_another_one_for_another_tenant(schema: Schema) -> None:
    other = filled(PROCESS, process_id="q", tenant_id=2)
    assert schema.accepts(filled(PROCESS), other)
