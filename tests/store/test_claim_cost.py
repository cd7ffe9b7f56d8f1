"""A claim never walks past work it cannot have, and no statement walks over a whole table."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from ledgers import NOW_MS, Opened, opened
from made import made_item, made_process
from rows_written import insert_items

from procession.core.process import item_id_of
from procession.store import rows
from procession.store.ledger import ended
from procession.store.migrate import migrate
from procession.store.sqlite import DIALECT, SqliteConnection
from procession.store.statements import Choice, read_statements

BLOCKED = 40_000
PHONES = [f"p{n}" for n in range(10)]
WHOLE_TABLES_MAY = {
    "forget_turns",  # a minute of marks, now and then
    "renew_all_leases",  # after times without a server, and over agents only
    "count_states",  # all that has not ended, for metrics, from an index
    "forget_servers",  # a row a server that ran lately
    "live_servers",
    "drop_sessions",  # people signed in, once a while
    "list_admins",
    "list_people",
    "list_migrations",
    "list_tokens",
    "silence_phones",
    "silent_phones",
}
BOUNDED = ("json_each", "ahead", "waiting", "counted", "newest", "CONSTANT")
"""Lists given, and subqueries with a limit."""
RECURSIVE = ("host", "space", "kind", "template")
"""Our own walks from one to the next by an index."""


async def block(one: Opened, count: int) -> None:
    """Two busy phones with `count` items waiting behind them."""
    await one.add_phones("busy0", "busy1", *PHONES)
    processes = [made_process(number, items=count // 2) for number in range(2)]
    await one.store.connection.begin()
    await one.store.insert_processes([(p, rows.text_of(p.standing)) for p in processes])
    await insert_items(
        one.store,
        (
            made_item(process, position, f"phone/busy{n}")
            for n, process in enumerate(processes)
            for position in range(count // 2)
        ),
    )
    await one.store.connection.commit()
    assert len(await one.claim("busy0", "busy1")) == 2


def claim_behind(folder: Path, blocked: int) -> tuple[int, int]:
    """Rows a claim of three other phones touches, and the database's own steps for it."""
    steps = 0

    def step() -> int:
        nonlocal steps
        steps += 1
        return 0

    async def run() -> int:
        async with opened(folder) as one:
            await block(one, blocked)
            own = await one.submit(10, ["phone/p1"])
            await one.submit(11, ["phones"])
            inner = one.connection.inner
            assert isinstance(inner, SqliteConnection)
            one.connection.forget()
            inner._db.set_progress_handler(step, 1)
            claimed = await one.claim("busy0", "busy1", *PHONES)
            inner._db.set_progress_handler(None, 1)
            assert len(claimed) == 2
            by_phone = {item.phone_id: item.item_id for _, item in claimed}
            assert by_phone["p1"] == item_id_of(own.process_id, 0)
            return one.connection.rows.total()

    return asyncio.run(run()), steps


def test_a_claim_costs_the_same_however_much_waits_behind_busy_phones(tmp_path: Path) -> None:
    (tmp_path / "few").mkdir()
    (tmp_path / "many").mkdir()
    few_rows, few_steps = claim_behind(tmp_path / "few", 40)
    many_rows, many_steps = claim_behind(tmp_path / "many", BLOCKED)
    assert many_rows == few_rows
    assert many_rows <= 4 * len(PHONES)
    assert many_steps <= 1.2 * few_steps


@pytest.mark.parametrize("name", sorted(read_statements(DIALECT)))
def test_no_statement_walks_over_a_whole_table(name: str) -> None:
    connection = SqliteConnection(":memory:")
    ended(migrate(connection, NOW_MS))
    statement = read_statements(DIALECT)[name]
    if name.endswith("savepoint"):
        return
    for one in statement.variants() if isinstance(statement, Choice) else [statement]:
        plan = connection._db.execute(
            f"EXPLAIN QUERY PLAN {one.text}", [None] * len(one.parameters)
        )
        walked = [row[3] for row in plan if walks(row[3])]
        assert not walked or name in WHOLE_TABLES_MAY, walked
    connection.close()


def walks(line: str) -> bool:
    """A plan's line that reads a table from end to end.

    Our own subqueries are capped, and the index of leases has a row for each phone in use. A
    search by text is asked of its index (0:L0 or the like says by which word).
    """
    table = line.removeprefix("SCAN ").split()[0]
    by_text = "_text VIRTUAL TABLE INDEX 0:" in line and not line.endswith("INDEX 0:")
    if not line.startswith("SCAN ") or "one_run_per_phone" in line or by_text:
        return False
    return table not in (*BOUNDED, *RECURSIVE)
