"""`procession import`: a live installation moves; nothing that was answered is lost."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from free_port import free_port
from live_installation import Caller, agent, call, serve, submit, verify
from postgres_server import PostgresServer
from run_program import PROGRAM, environment, eventually, run

CALLERS = 4
CHECKED = 50


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgresServer]:
    server = PostgresServer()
    yield server
    server.stop()


def test_a_live_installation_moves_and_nothing_accepted_is_lost(
    tmp_path: Path, postgres: PostgresServer
) -> None:
    port, old = free_port(), f"sqlite:///{tmp_path / 'old.db'}"
    new = postgres.address("moved")
    token = run("token", "create", "--database", old).out.strip()
    with ExitStack() as stack:
        first = stack.enter_context(closing(serve(tmp_path, "first", old, port)))
        stack.enter_context(closing(agent(tmp_path, port)))
        callers = [Caller(number, port) for number in range(CALLERS)]
        for caller in callers:
            stack.callback(caller.stopped.set)
            caller.start()
        eventually(lambda: all(len(caller.accepted) > 10 for caller in callers))
        moved = run("import", "--from", old, "--database", new, "--json")
        assert moved.status == 0, moved.err
        for caller in callers:
            caller.join(30)
            assert new in caller.refused[-1]["detail"]
        accepted = {key: value for caller in callers for key, value in caller.accepted.items()}

        status, _ = call(port, "GET", f"/processes/{next(iter(accepted.values()))}", token=token)
        assert status == 200
        assert first.end() == 0
        late = run("serve", "--database", old, "--port", "0")
        assert late.status == 1
        assert new in late.complaint

        stack.enter_context(closing(serve(tmp_path, "second", new, port)))
        status, _ = call(port, "GET", "/processes?limit=1", token=token)
        assert status == 200
        assert moved.json["tables"]["process"]["rows"] == len(accepted)
        for request_id, process_id in accepted.items():
            status, again = submit(port, request_id, token)
            assert (status, again["process_id"], again["duplicate"]) == (200, process_id, True)
        for process_id in list(accepted.values())[:: max(1, len(accepted) // CHECKED)]:
            verify(port, process_id)


def test_a_killed_import_leaves_the_source_in_use_and_can_be_made_again(
    tmp_path: Path, postgres: PostgresServer
) -> None:
    port, old = free_port(), f"sqlite:///{tmp_path / 'old.db'}"
    new = postgres.address("killed")
    with closing(serve(tmp_path, "server", old, port)) as server:
        before = submit(port, "before")[1]
        words = [PROGRAM, "import", "--from", old, "--database", new, "--json"]
        child = subprocess.Popen(words, env=environment(), stdout=subprocess.DEVNULL)
        try:
            eventually(lambda: postgres.backends() or child.poll() is not None)
        finally:
            child.send_signal(signal.SIGKILL)
            child.wait(10)
        assert child.returncode == -signal.SIGKILL
        eventually(lambda: not postgres.backends())

        status, after = submit(port, "after")
        assert status == 202
        assert run(*words[1:]).json["tables"]["process"]["rows"] == 2
        status, refused = submit(port, "late")
        assert (status, refused["code"]) == (503, "moved")
        assert server.end() == 0
    with closing(serve(tmp_path, "server", new, port)):
        for one in (before, after):
            assert call(port, "GET", f"/processes/{one['process_id']}")[0] == 200


@pytest.mark.parametrize(
    ("words", "status", "named"),
    [
        (("--from", "sqlite:////nowhere/old.db"), 1, "/nowhere/old.db"),
        (("--from", "postgresql://a/b"), 2, "sqlite:///"),
        ((), 2, "--from"),
    ],
)
def test_a_source_that_is_none_is_one_line(words: tuple[str, ...], status: int, named: str) -> None:
    ran = run("import", *words, "--database", "postgresql://nobody@127.0.0.1:1/none")
    assert ran.status == status
    assert named in ran.complaint


def test_only_postgresql_is_imported_into(tmp_path: Path) -> None:
    ran = run("import", "--from", "sqlite:///a.db", "--database", f"sqlite:///{tmp_path}/b.db")
    assert ran.status == 2
    assert "postgresql://" in ran.complaint


def test_a_target_that_is_away_leaves_the_source_in_use(tmp_path: Path) -> None:
    old = f"sqlite:///{tmp_path / 'old.db'}"
    assert run("token", "create", "--database", old).status == 0
    ran = run("import", "--from", old, "--database", "postgresql://me:hush@127.0.0.1:1/none")
    assert ran.status == 1
    assert "hush" not in ran.complaint
    assert run("token", "list", "--database", old).status == 0
