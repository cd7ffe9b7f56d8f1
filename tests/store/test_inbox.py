"""Tasks found in the database are those a plain reading of all of them finds."""

from __future__ import annotations

import asyncio
from random import Random
from typing import Any
from unittest.mock import patch

import pytest
from databases import Database, migrated

from procession import inbox
from procession.inbox import Sought, page_of
from procession.store.store import Store
from procession.tasks import TaskRead

TASKS = 120
TENANT = 1
TITLES = ("Sign 100% now", "sign_here", "Paper\\work", "Contract", "ab", "SIGN off")
SEARCHES = ("", "sign", "100%", "_", "\\w", "ab", "b", "gn", "%", "contract", "n_h", "zzz")
STATES = ("pending", "completed", "cancelled", "failed")


def made(random: Random, number: int) -> dict[str, Any]:
    """A task's row, with its state and metadata besides."""
    person_id = random.choice((None, 7))
    return {
        "task_id": f"task-{number}",
        "tenant_id": random.choice((TENANT, TENANT, 2)),
        "process_id": f"p-{number}",
        "item_id": f"i-{number}",
        "kind": "form",
        "title": f"{random.choice(TITLES)} {number % 10}",
        "person_id": person_id,
        "assignee_email": random.choice((None, "a@b.example")) if person_id is None else "m@b",
        "template_id": random.choice((None, "one", "two")),
        "correlation_key": random.choice((None, "key")),
        "about_process_id": random.choice((None, "p-3", "other")),
        "about_step": None,
        "created_ms": number,
        "expires_ms": None,
    }


async def written(store: Store, random: Random) -> list[tuple[dict[str, Any], str, dict[str, str]]]:
    """Tasks with their state and metadata, oldest first."""
    execute, rows = store.connection.execute, []
    for number in range(TASKS):
        row, state = made(random, number), random.choice(STATES)
        marks = {key: random.choice("12") for key in "abc" if random.random() < 0.6}
        await store.connection.begin()
        await execute("insert_task", **row)
        for key, value in marks.items():
            await execute("insert_task_metadata", item_id=row["item_id"], key=key, value=value)
        if state != "pending":
            ended = {"state": state, "finished_ms": number, "outcome": "null"}
            await execute("end_task", item_id=row["item_id"], **ended)
        await store.connection.commit()
        rows.append((row, state, marks))
    return rows


def anything(random: Random) -> Sought:
    def perhaps(*values: Any) -> Any:
        return random.choice(values) if random.random() < 0.2 else type(values[0])()

    return Sought(
        state=perhaps(*STATES),
        search=random.choice(SEARCHES) if random.random() < 0.5 else "",
        person_id=perhaps(7),
        assignee_email=perhaps("a@b.example", "m@b"),
        unassigned=perhaps(True),
        process_id=perhaps("p-3", "other", "none"),
        template_id=perhaps("one", "none"),
        correlation_key=perhaps("key"),
        marks={key: random.choice("12") for key in "abc" if random.random() < 0.2},
        oldest_first=perhaps(True),
    )


def matches(sought: Sought, row: dict[str, Any], state: str, marks: dict[str, str]) -> bool:
    wanted = {
        "person_id": sought.person_id,
        "assignee_email": sought.assignee_email,
        "template_id": sought.template_id,
        "correlation_key": sought.correlation_key,
    }
    unassigned = row["person_id"] is None and row["assignee_email"] is None
    return (
        row["tenant_id"] == TENANT
        and (not sought.state or state == sought.state)
        and all(not value or row[name] == value for name, value in wanted.items())
        and (unassigned or not sought.unassigned)
        and sought.search.lower() in row["title"].lower()
        and (
            not sought.process_id
            or sought.process_id in (row["about_process_id"], row["process_id"])
        )
        and sought.marks.items() <= marks.items()
    )


@pytest.mark.parametrize("narrow_max", [10_000, 5])
def test_a_page_is_what_a_plain_reading_finds(database: Database, narrow_max: int) -> None:
    """With 5, nearly every word is too common to be looked up first."""
    random = Random(narrow_max)

    async def run() -> None:
        async with migrated(database) as store:
            rows = await written(store, random)
            found = 0
            for _ in range(150):
                sought = anything(random)
                limit, offset = random.choice(((200, 0), (5, 0), (3, 4)))
                page = await page_of(store.connection, TENANT, sought, limit=limit, offset=offset)
                expected = [row["task_id"] for row, *more in rows if matches(sought, row, *more)]
                if not sought.oldest_first:
                    expected.reverse()
                if page.total > inbox.COUNT_MAX:
                    assert len(expected) > narrow_max, sought
                else:
                    assert page.total == len(expected), sought
                assert ids(page.tasks) == expected[offset : offset + limit], sought
                found += len(page.tasks)
            assert found > 200, "most of what was sought was there"

    with patch.object(inbox, "NARROW_MAX", narrow_max):
        asyncio.run(run())


def ids(tasks: list[TaskRead]) -> list[str]:
    return [task.task_id for task in tasks]
