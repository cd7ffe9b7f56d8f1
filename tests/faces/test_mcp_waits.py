"""Long waits: they say that they wait, end with what they wait for, and end when nobody listens."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
from living_server import Api, Living
from mcp.client.client import Client
from mcp_by_hand import MODES, done, model

from procession.faces.mcp import waiting
from procession.settings import Settings

ANSWERED_S_MAX = 0.1
"""What the contract promises; taken from the best of some tries, since this machine is busy."""
TRIES = 3


async def came_true(seen: Callable[[], object], within_s: float = 10.0) -> None:
    ends = time.monotonic() + within_s
    while not seen():
        assert time.monotonic() < ends, "the condition did not come true in time"
        await asyncio.sleep(0.01)


class Told:
    """The progress a client hears of."""

    def __init__(self) -> None:
        self.notes: list[tuple[float, float | None, str | None]] = []

    async def __call__(self, progress: float, total: float | None, message: str | None) -> None:
        self.notes.append((progress, total, message))


@asynccontextmanager
async def waiting_for(
    client: Client, task_id: str, timeout_s: int = 60
) -> AsyncIterator[tuple[asyncio.Task[Any], Told]]:
    """A wait for a task that is known to be under way."""
    told = Told()
    arguments = {"task_id": task_id, "timeout_seconds": timeout_s}
    wait = asyncio.create_task(client.call_tool("wait_for_task", arguments, progress_callback=told))
    await came_true(lambda: told.notes or wait.done())
    yield wait, told
    if not wait.done():
        wait.cancel()
        await asyncio.gather(wait, return_exceptions=True)


def complete(api: Api, task_id: str) -> float:
    """Answer a question; when that was said to be done."""
    answer = api.post(f"/api/v1/tasks/{task_id}/complete", {"data": {"answer": "42"}})
    assert answer.status == 200, answer
    return time.monotonic()


@pytest.mark.parametrize("mode", MODES)
def test_a_wait_is_answered_at_once_when_the_task_is(
    server: Living, api: Api, mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "PROGRESS_MS", 50)

    async def run() -> None:
        late_s = []
        async with model(server.port, mode=mode) as client:
            for _ in range(TRIES):
                task = await done(client, "ask_question", question="What?")
                async with waiting_for(client, task["task_id"]) as (wait, told):
                    await came_true(lambda told=told: len(told.notes) >= 3)
                    completed_s = await asyncio.to_thread(complete, api, task["task_id"])
                    result = await wait
                    late_s.append(time.monotonic() - completed_s)
                    assert result.structured_content["data"] == {"answer": "42"}
                    progress = [note[0] for note in told.notes]
                    assert progress == sorted(set(progress))
                    assert {note[1:] for note in told.notes} == {(60, "waiting for a person")}
        assert min(late_s) < ANSWERED_S_MAX

    asyncio.run(run())


def test_asking_can_wait_for_the_answer(server: Living, api: Api) -> None:
    async def run() -> None:
        async with model(server.port) as client:
            told, arguments = Told(), {"question": "Now?", "wait_seconds": 60}
            asked = asyncio.create_task(
                client.call_tool("ask_question", arguments, progress_callback=told)
            )
            await came_true(lambda: told.notes)
            listed = await done(client, "list_tasks", search="Now?", status="pending")
            task_id = listed["tasks"][0]["task_id"]
            await asyncio.to_thread(complete, api, task_id)
            answered = (await asked).structured_content
            assert (answered["task_id"], answered["timed_out"]) == (task_id, False)
            assert answered["data"] == {"answer": "42"}

    asyncio.run(run())


def test_a_wait_that_is_over_says_so(server: Living) -> None:
    async def run() -> None:
        async with model(server.port) as client:
            task = await done(client, "ask_question", question="Never?", wait_seconds=1)
            assert (task["status"], task["timed_out"]) == ("pending", True)
            given = {"task_id": task["task_id"], "timeout_seconds": 0}
            assert (await done(client, "wait_for_task", **given))["timed_out"] is True
            steps = [{"key": "a", "label": "A"}]
            process = await done(client, "submit_process", **{"name": "P", "steps": steps})
            given = {"process_id": process["process_id"], "timeout_seconds": 0}
            assert (await done(client, "wait_for_process", **given))["timed_out"] is True

    asyncio.run(run())


def test_a_wait_ends_with_a_cancelled_task(server: Living) -> None:
    async def run() -> None:
        async with model(server.port) as client:
            task = await done(client, "ask_question", question="Still?")
            async with waiting_for(client, task["task_id"]) as (wait, _):
                await done(client, "cancel_task", task_id=task["task_id"], reason="no")
                found = (await wait).structured_content
                assert (found["status"], found["reason"]) == ("cancelled", "no")

    asyncio.run(run())


def test_a_wait_ends_with_its_process_and_hears_of_steps_meanwhile(server: Living) -> None:
    async def run() -> None:
        async with model(server.port) as client:
            steps = [{"key": "a", "label": "A"}, {"key": "b", "label": "B"}]
            process = await done(client, "submit_process", **{"name": "P", "steps": steps})
            process_id, told = process["process_id"], Told()
            wait = asyncio.create_task(
                client.call_tool(
                    "wait_for_process", {"process_id": process_id}, progress_callback=told
                )
            )
            await came_true(lambda: told.notes)
            said = {"process_id": process_id, "type": "step_completed"}
            await done(client, "update_process", **said, step="a")
            assert not wait.done()
            await done(client, "update_process", **said, step="b")
            assert (await wait).structured_content["status"] == "completed"

    asyncio.run(run())


@pytest.mark.parametrize("mode", MODES)
def test_a_cancelled_wait_is_waited_no_longer(server: Living, mode: str) -> None:
    async def run() -> None:
        async with model(server.port, mode=mode) as client:
            task = await done(client, "ask_question", question="Cancelled?")
            load = server.app.load
            await came_true(lambda: load.waiting == 0)
            with anyio.CancelScope() as scope:
                async with anyio.create_task_group() as group:

                    async def wait() -> None:
                        await client.call_tool("wait_for_task", {"task_id": task["task_id"]})

                    group.start_soon(wait)
                    await came_true(lambda: load.waiting > 0)
                    scope.cancel()
            await came_true(lambda: load.waiting == 0)
            await done(client, "get_task", task_id=task["task_id"])

    asyncio.run(run())


def test_a_client_that_goes_away_is_waited_for_no_longer(server: Living) -> None:
    async def run() -> None:
        load = server.app.load
        await came_true(lambda: load.waiting == 0)
        async with model(server.port) as client:
            task = await done(client, "ask_question", question="Gone?")
            async with waiting_for(client, task["task_id"]):
                await came_true(lambda: load.waiting > 0)
        await came_true(lambda: load.waiting == 0)

    asyncio.run(run())


@pytest.mark.parametrize("mode", MODES)
def test_a_server_that_stops_answers_those_who_wait(tmp_path: Path, mode: str) -> None:
    server = Living(Settings(database=f"sqlite:///{tmp_path / 's.db'}", port=0, drain_ms=5_000))
    server.start()

    async def run() -> float:
        async with model(server.port, mode=mode) as client:
            task = await done(client, "ask_question", question="Stopping?")
            async with waiting_for(client, task["task_id"]) as (wait, _):
                began_s = time.monotonic()
                stopping = asyncio.create_task(asyncio.to_thread(server.stop))
                found = (await wait).structured_content
                assert (found["status"], found["timed_out"]) == ("pending", True)
        await stopping
        return time.monotonic() - began_s

    assert asyncio.run(run()) < 4.0
