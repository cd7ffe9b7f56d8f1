"""The drill: copy under load with the commands of docs/operating.md, restore, and work goes on."""

from __future__ import annotations

import asyncio
import os
import shlex
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import NamedTuple

import pytest
from free_port import free_port
from invariants import check_process
from live_installation import ENDED, Caller, agent, serve, submit, verify
from postgres_server import PostgresServer, binaries
from run_program import PROGRAM, eventually, run

from procession.opening import open_engine
from procession.settings import Settings
from procession.store.store import Filter

PAGE = Path(__file__).parents[2] / "docs" / "operating.md"
CALLERS = 3
SQLITE_FILE, SQLITE_COPY = "/var/lib/procession/procession.db", "/backup/procession.db"
POSTGRES, RESTORED = (f"postgresql://user:password@host/{n}" for n in ("procession", "restored"))
POSTGRES_COPY = "/backup/procession.dump"


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgresServer]:
    server = PostgresServer()
    yield server
    server.stop()


class Drill(NamedTuple):
    """The page's two commands, and where the places it speaks of are here."""

    database: str
    restored: str
    copying: tuple[str, dict[str, str]]
    restoring: tuple[str, dict[str, str]]


def follow_page(program: str, places: dict[str, str]) -> None:
    """Run the one command of the page's section that begins with `program`."""
    section = PAGE.read_text().split("## Backup and restore")[1].split("\n## ")[0]
    (line,) = [one for one in section.splitlines() if one.startswith(f"    {program} ")]
    for place, here in places.items():
        assert place in line
        line = line.replace(place, shlex.quote(here))
    path = os.pathsep.join([str(Path(PROGRAM).parent), str(binaries()), os.environ["PATH"]])
    env = os.environ | {"PATH": path}
    done = subprocess.run(
        line.strip(), shell=True, check=False, capture_output=True, text=True, env=env
    )
    assert done.returncode == 0, done.stderr


@pytest.fixture(params=["sqlite", "postgresql"])
def drill(request: pytest.FixtureRequest, tmp_path: Path) -> Drill:
    if request.param == "sqlite":
        live, copy, again = (str(tmp_path / f"{name}.db") for name in ("live", "copy", "again"))
        return Drill(
            f"sqlite:///{live}",
            f"sqlite:///{again}",
            ("procession backup", {SQLITE_COPY: copy, SQLITE_FILE: live}),
            ("cp", {SQLITE_COPY: copy, SQLITE_FILE: again}),
        )
    server: PostgresServer = request.getfixturevalue("postgres")
    live, again, copy = server.address("live"), server.address("again"), str(tmp_path / "copy.dump")
    return Drill(
        live,
        again,
        ("pg_dump", {POSTGRES: live, POSTGRES_COPY: copy}),
        ("pg_restore", {RESTORED: again, POSTGRES_COPY: copy}),
    )


def test_a_copy_made_under_load_is_whole_and_work_goes_on_from_it(
    tmp_path: Path, drill: Drill
) -> None:
    with ExitStack() as stack:
        port = free_port()
        stack.enter_context(closing(serve(tmp_path, "live", drill.database, port)))
        stack.enter_context(closing(agent(tmp_path, port)))
        callers = [Caller(number, port) for number in range(CALLERS)]
        for caller in callers:
            stack.callback(caller.stopped.set)
            caller.start()
        eventually(lambda: all(len(caller.accepted) > 10 for caller in callers))
        before = {key: value for caller in callers for key, value in list(caller.accepted.items())}
        follow_page(*drill.copying)
        for caller in callers:
            caller.stopped.set()
            caller.join(30)
            assert caller.refused == []
    follow_page(*drill.restoring)
    assert set(before.values()) <= asyncio.run(sound_processes(drill.restored))

    home = tmp_path / "restored"
    home.mkdir()
    with ExitStack() as stack:
        port = free_port()
        stack.enter_context(closing(serve(home, "restored", drill.restored, port)))
        stack.enter_context(closing(agent(home, port)))
        for request_id, process_id in before.items():
            status, again = submit(port, request_id)
            assert (status, again["process_id"]) == (200, process_id)
        status, new = submit(port, "after")
        assert status == 202
        for process_id in [*list(before.values())[-20:], new["process_id"]]:
            verify(port, process_id)
    asyncio.run(sound_processes(drill.restored))


async def sound_processes(database: str) -> set[str]:
    """All processes, of which every one keeps the invariants and has a gapless log."""
    found = set()
    async with open_engine(Settings(database=database)) as engine:
        for process in await engine.store.list_processes(1, Filter(), limit=100_000):
            items = await engine.store.process_items(process)
            log = await engine.store.events(process.process_id, after=0, limit=1_000)
            assert [event.seq for event in log] == list(range(1, process.version + 1))
            check_process(process, items, sum(event.name in ENDED for event in log))
            found.add(process.process_id)
    return found


def test_a_copy_never_takes_the_place_of_another(tmp_path: Path) -> None:
    database, copy = f"sqlite:///{tmp_path / 'a.db'}", tmp_path / "copy.db"
    assert run("token", "create", "--database", database).status == 0
    made = run("backup", "--database", database, "--to", str(copy), "--json")
    assert made.json == {"from": database, "to": str(copy), "bytes": copy.stat().st_size}
    before = copy.read_bytes()
    again = run("backup", "--database", database, "--to", str(copy))
    assert again.status == 1
    assert str(copy) in again.complaint
    assert copy.read_bytes() == before
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a.db", "copy.db"]
    assert run("token", "list", "--database", f"sqlite:///{copy}", "--json").json["tokens"]


@pytest.mark.parametrize(
    ("database", "status", "named"),
    [("sqlite:////nowhere/a.db", 1, "/nowhere/a.db"), ("postgresql://a/b", 2, "pg_dump")],
)
def test_what_cannot_be_copied_is_one_line(
    tmp_path: Path, database: str, status: int, named: str
) -> None:
    ran = run("backup", "--database", database, "--to", str(tmp_path / "copy.db"))
    assert ran.status == status
    assert named in ran.complaint
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    database = f"sqlite:///{tmp_path / 'a.db'}"
    assert run("token", "create", "--database", database).status == 0
    ran = run("backup", "--database", database, "--to", "/nowhere/copy.db")
    assert ran.status == 1
    assert ran.complaint
