"""`procession migrate`: once whoever else tries at the same time, told before it is done."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from postgres_server import PostgresServer
from run_program import PROGRAM, TOKEN, Running, environment, http_status, run

from procession.commands.migrate import shown
from procession.store.migrate import read_migrations

AT_ONCE = 4
ALL = sorted(read_migrations())


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgresServer]:
    server = PostgresServer()
    yield server
    server.stop()


@pytest.fixture(params=["postgresql", "sqlite"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'procession.db'}"
    server: PostgresServer = request.getfixturevalue("postgres")
    return server.address(tmp_path.name)


def test_of_many_at_once_one_migrates_and_the_others_find_it_done(database: str) -> None:
    words = [PROGRAM, "migrate", "--json", "--database", database]
    children = [
        subprocess.Popen(words, stdout=subprocess.PIPE, env=environment()) for _ in range(AT_ONCE)
    ]
    said = [json.loads(child.communicate(timeout=60)[0]) for child in children]
    assert [child.returncode for child in children] == [0] * AT_ONCE
    assert sorted(one["applied"] for one in said) == [[]] * (AT_ONCE - 1) + [ALL]


def test_servers_that_start_at_once_on_an_empty_database_all_serve(
    tmp_path: Path, postgres: PostgresServer
) -> None:
    words = ("serve", "--database", postgres.address("at_once"), "--port", "0")
    with ExitStack() as stack:
        servers = [
            stack.enter_context(
                closing(Running(tmp_path / f"{number}.log", *words, bootstrap_token=TOKEN))
            )
            for number in range(3)
        ]
        for server in servers:
            address = server.line().removeprefix("listening on ")
            assert http_status(f"{address}/processes") == 200


def test_a_dry_run_tells_and_changes_nothing(database: str) -> None:
    told = run("migrate", "--dry-run", "--json", "--database", database)
    assert told.status == 0
    assert [one["name"] for one in told.json["pending"]] == ALL
    assert told.json["refusal"] is None
    if database.startswith("sqlite"):
        assert not Path(database.removeprefix("sqlite:///")).exists()
    assert (
        "would apply 0001_processes: compatible"
        in run("migrate", "--dry-run", "--database", database).out
    )
    assert run("migrate", "--database", database).out.splitlines() == [f"applied {n}" for n in ALL]
    assert run("migrate", "--dry-run", "--database", database).out == "nothing to do\n"
    assert run("migrate", "--database", database).out == "nothing to do\n"


def test_a_database_that_cannot_be_reached_is_one_line_without_its_password() -> None:
    ran = run("migrate", "--database", "postgresql://me:hush-hush@127.0.0.1:1/none")
    assert ran.status == 1
    assert "127.0.0.1:1" in ran.complaint
    assert "hush-hush" not in ran.err


@pytest.mark.parametrize(
    ("address", "seen"),
    [
        ("postgresql://me:hush@host/db", "postgresql://me:***@host/db"),
        (
            "postgresql://me@/db?host=/tmp&password=hush",
            "postgresql://me@/db?host=/tmp&password=***",
        ),
        ("postgresql:///db?password=hush&host=/tmp", "postgresql:///db?password=***&host=/tmp"),
        ("postgresql://me@host:5432/db", "postgresql://me@host:5432/db"),
        ("sqlite:////var/lib/procession.db", "sqlite:////var/lib/procession.db"),
    ],
)
def test_a_password_is_never_shown(address: str, seen: str) -> None:
    assert shown(address) == seen
