"""An agent is killed without warning, and another begins where it was."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from fake_server import FakeServer
from nest import until
from subprocess_agent import started_agent

from procession.agent import processes
from procession.agent.life import AlreadyRunning, Life, OrphansRemain, kill_orphans
from procession.agent.spool import Spool


async def noted(path: Path) -> int:
    await until(lambda: path.exists() and path.read_text() != "")
    return int(path.read_text())


def test_orphans_of_a_killed_agent_are_dead_before_the_next_claims(tmp_path: Path) -> None:
    async def story() -> None:
        async with FakeServer() as server:
            async with started_agent(server, tmp_path / "state") as agent:
                given = await server.give("p1", "daemonize", {"notes": str(tmp_path)})
                pids = [await noted(tmp_path / "grandchild"), await noted(tmp_path / "main")]
                keeper = processes.parent(pids[1])
                zygote = processes.parent(keeper)
                # Nobody is left to clean up: all three that would are stopped or killed at once.
                for pid in (zygote, keeper, pids[1]):
                    os.kill(pid, signal.SIGSTOP)
                os.kill(agent.pid, signal.SIGKILL)
                await agent.wait()
            claims = len(server.heard("claim"))
            assert processes.alive(pids[0])
            async with started_agent(server, tmp_path / "state"):
                await server.until(lambda: len(server.heard("claim")) > claims)
                assert not any(processes.alive(pid) for pid in [*pids, keeper, zygote])
                result = await server.result_of(given)
                assert result.outcome == "failed" and result.forced
                assert result.error and result.error.category == "lease_lost"

    asyncio.run(story())


def test_everything_ends_when_an_agent_is_killed(tmp_path: Path) -> None:
    async def story() -> None:
        async with FakeServer() as server, started_agent(server, tmp_path / "state") as agent:
            await server.give("p1", "daemonize", {"notes": str(tmp_path)})
            pids = [await noted(tmp_path / "grandchild"), await noted(tmp_path / "main")]
            os.kill(agent.pid, signal.SIGKILL)
            await until(lambda: not any(processes.alive(pid) for pid in pids), 5)

    asyncio.run(story())


def test_a_result_not_yet_answered_when_the_agent_was_killed_is_sent_once_more(
    tmp_path: Path,
) -> None:
    async def story() -> None:
        async with FakeServer() as server:
            async with started_agent(server, tmp_path / "state") as agent:
                server.silent_verbs.add("finish")
                await server.give("p1", "flood")
                await server.until(lambda: bool(server.heard("finish")))
                os.kill(agent.pid, signal.SIGKILL)
                await agent.wait()
            server.silent_verbs.clear()
            first = server.heard("finish")[0].results[0]
            async with started_agent(server, tmp_path / "state"):
                again = (await server.until_heard("finish", 2))[1].results
                assert again == [first]
                order = [verb for verb, _ in server.said]
                assert order.index("finish", order.index("finish") + 1) < len(order)
            async with started_agent(server, tmp_path / "state"):
                await server.until_heard("register", 3)
            assert len(server.heard("finish")) == 2

    asyncio.run(story())


def test_a_second_agent_on_the_same_state_is_refused(tmp_path: Path) -> None:
    life = Life(tmp_path)
    try:
        with pytest.raises(AlreadyRunning):
            Life(tmp_path)
    finally:
        life.close()
    Life(tmp_path).close()


def test_only_processes_with_the_mark_are_killed(tmp_path: Path) -> None:
    sleeping = [sys.executable, "-c", "import time; time.sleep(600)"]
    ours = subprocess.Popen(sleeping, env={"PROCESSION_LIFE": "this-life"})
    other = subprocess.Popen(sleeping, env={"PROCESSION_LIFE": "this-life-not"})
    try:
        reaped = asyncio.run(asyncio.to_thread(_kill_and_reap, ours))
        assert reaped == -signal.SIGKILL
        assert processes.alive(other.pid)
    finally:
        other.kill()
        other.wait()


def _kill_and_reap(ours: subprocess.Popen[bytes]) -> int:
    while not processes.marked("this-life"):
        pass
    assert kill_orphans("this-life", 10.0) == 1
    return ours.wait()


def test_an_agent_does_not_begin_while_an_orphan_lives(tmp_path: Path) -> None:
    sleeping = [sys.executable, "-c", "import time; time.sleep(600)"]
    orphan = subprocess.Popen(sleeping, env={"PROCESSION_LIFE": "undying"})
    try:
        while not processes.marked("undying"):
            pass
        with pytest.raises(OrphansRemain):
            kill_orphans("undying", 0.2, kill=lambda pid, still: None)
    finally:
        orphan.kill()
        orphan.wait()


def test_a_torn_last_line_loses_nothing_before_it(tmp_path: Path) -> None:
    path = tmp_path / "spool.jsonl"
    spool = Spool(path)
    spool.begin("one", 1)
    spool.begin("two", 1)
    spool.done([("one", 1)])
    spool.close()
    with path.open("ab") as file:
        file.write(b'{"result":{"item_id":"two","att')
    again = Spool(path)
    assert [run.item_id for run in again.interrupted()] == ["two"]
    again.close()
