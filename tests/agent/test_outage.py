"""The server is silent, or gone, while runs are under way."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from pathlib import Path

from fake_server import FakeServer
from living import living_agent
from nest import until

from procession.agent import processes


async def noted(tmp_path: Path) -> int:
    path = tmp_path / "main"
    await until(lambda: path.exists() and path.read_text() != "")
    return int(path.read_text())


def test_a_run_of_a_silent_server_is_dead_before_its_lease_ends(tmp_path: Path) -> None:
    async def story() -> None:
        async with FakeServer(lease_ms=3_000) as server, living_agent(server, tmp_path / "state"):
            await server.give("p1", "deaf", {"notes": str(tmp_path)})
            pid = await noted(tmp_path)
            server.silent = True
            begun = time.monotonic()
            await until(lambda: not processes.alive(pid))
            assert 1.0 < time.monotonic() - begun < 3.0
            server.silent = False
            await server.until(lambda: bool(server.results))
            error = server.results[0].error
            assert error and error.category == "lease_lost" and error.infrastructure

    asyncio.run(story())


def test_a_healthy_run_outlives_a_server_that_is_down_longer_than_its_lease(
    tmp_path: Path,
) -> None:
    async def story() -> None:
        async with FakeServer(lease_ms=1_500) as server, living_agent(server, tmp_path / "state"):
            given = await server.give("p1", "sleep", {"seconds": 3.5})
            await server.until(lambda: bool(server.reports))
            await server.down()
            await asyncio.sleep(2.5)
            await server.up()
            result = await server.result_of(given)
            assert result.outcome == "completed"

    asyncio.run(story())


def test_under_the_strict_policy_a_server_that_is_down_ends_the_run(tmp_path: Path) -> None:
    async def story() -> None:
        async with (
            FakeServer(lease_ms=1_500) as server,
            living_agent(server, tmp_path / "state", fence="always"),
        ):
            given = await server.give("p1", "sleep", {"seconds": 60})
            await server.until(lambda: bool(server.reports))
            await server.down()
            await asyncio.sleep(1.5)
            await server.up()
            result = await server.result_of(given)
            assert result.error and result.error.category == "lease_lost"

    asyncio.run(story())


def test_a_result_that_comes_while_the_server_is_down_is_delivered_after(tmp_path: Path) -> None:
    async def story() -> None:
        async with FakeServer(lease_ms=2_000) as server, living_agent(server, tmp_path / "state"):
            given = await server.give("p1", "sleep", {"seconds": 0.8})
            await server.until(lambda: bool(server.reports))
            await server.down()
            spool = tmp_path / "state" / "spool.jsonl"
            await until(lambda: b'"result"' in spool.read_bytes())
            await server.up()
            result = await server.result_of(given)
            assert result.outcome == "completed"
            assert len(server.results) == 1

    asyncio.run(story())


def test_a_frozen_agent_does_not_keep_its_run_alive(tmp_path: Path) -> None:
    from subprocess_agent import started_agent

    async def story() -> None:
        async with (
            FakeServer(lease_ms=6_000) as server,
            started_agent(server, tmp_path / "state") as agent,
        ):
            await server.give("p1", "deaf", {"notes": str(tmp_path)})
            pid = await noted(tmp_path)
            os.kill(agent.pid, signal.SIGSTOP)
            begun = time.monotonic()
            try:
                await until(lambda: not processes.alive(pid))
                assert time.monotonic() - begun < 6.2
            finally:
                os.kill(agent.pid, signal.SIGCONT)

    asyncio.run(story())
