"""The SQL files: every statement prepares, and means the same under any dialect."""

from __future__ import annotations

import asyncio
import re
from importlib import resources

from databases import Database, migrated

from procession.store import postgres
from procession.store.postgres import PostgresConnection
from procession.store.sqlite import DIALECT, SqliteConnection
from procession.store.statements import Choice, Dialect, Statement, read_statements

NUMBERED = Dialect("${n}", "= ANY ({p})", "<> ALL ({p})", for_update="FOR UPDATE", skip_locked="")


def every_statement(dialect: Dialect) -> list[tuple[str, Statement]]:
    return [
        (name, variant)
        for name, statement in read_statements(dialect).items()
        for variant in (statement.variants() if isinstance(statement, Choice) else [statement])
    ]


def test_every_statement_prepares_against_the_schema(database: Database) -> None:
    async def run() -> None:
        async with migrated(database) as store:
            connection = store.connection
            if isinstance(connection, SqliteConnection):
                for name, statement in every_statement(DIALECT):
                    if not name.endswith("savepoint"):
                        values = [None] * len(statement.parameters)
                        connection._db.execute(f"EXPLAIN {statement.text}", values)
                return
            assert isinstance(connection, PostgresConnection)
            opened = await connection._connection()
            for name, statement in every_statement(postgres.DIALECT):
                if not name.endswith("savepoint"):
                    await opened.prepare(statement.text)

    asyncio.run(run())


def test_parameters_are_numbered_by_first_appearance_in_every_dialect() -> None:
    pairs = zip(every_statement(DIALECT), every_statement(NUMBERED), strict=True)
    for (own_name, own), (name, statement) in pairs:
        assert (name, statement.parameters) == (own_name, own.parameters)
        numbers = [int(n) for n in re.findall(r"\$(\d+)", statement.text)]
        assert set(numbers) == set(range(1, len(statement.parameters) + 1))
        assert list(dict.fromkeys(numbers)) == sorted(set(numbers))
        assert not re.search(r"[{}]|(?<!:):[a-z]", statement.text)


def test_every_statement_says_why_it_is_there() -> None:
    for file in resources.files("procession.store").joinpath("sql").iterdir():
        for line in file.read_text(encoding="utf-8").splitlines():
            if line.startswith("-- "):
                assert re.fullmatch(r"-- \w+: .{8,}", line), line
