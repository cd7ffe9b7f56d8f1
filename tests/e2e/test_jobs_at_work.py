"""Jobs of a user's own in a real worker: reviewed, resumed after a kill, cancelled at once."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from callbacks import Receiver
from deadline import until
from programs import PROCESSION, Program
from simulated import Simulated
from world import TOKEN, World

from procession.agent.life import kill_orphans


class Worker:
    """A worker with two lanes, over all its lives."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.state = world.home / "worker"
        self.program = self.start()

    def start(self) -> Program:
        words = ["worker", "--server", self._world.url, "--lanes", "2", "--name", "worker"]
        words += ["--state-dir", str(self.state), "--import", "own_jobs"]
        self.program = Program(
            "worker", [PROCESSION, *words], self._world.home, {"PROCESSION_TOKEN": TOKEN}
        )
        return self.program

    def end(self) -> None:
        self.program.end()
        if (self.state / "life").exists():
            kill_orphans((self.state / "life").read_text().strip(), 20)


@pytest.fixture
def world(tmp_path: Path, simulated: Simulated, receiver: Receiver) -> Iterator[World]:
    world = World(tmp_path, simulated, receiver)
    yield world
    world.end()


@pytest.fixture
def worker(world: World) -> Iterator[Worker]:
    worker = Worker(world)
    yield worker
    worker.end()


def begin(world: World, pause_s: float = 0.0) -> dict[str, Any]:
    book = world.home / "greetings"
    message = {
        "type": "greetings",
        "input": {"book": str(book), "name": "Ada", "pause_s": pause_s},
    }

    def accepted() -> Any:
        reply = world.api.call("POST", "/api/processes", message)
        # Until the worker has said what it knows, nobody knows the type.
        assert reply.status in (202, 422), reply
        return reply.body if reply.status == 202 else None

    made: dict[str, Any] = until(accepted, 30, "the worker has said what it knows")
    return made


def reached(world: World, job: dict[str, Any], *statuses: str) -> dict[str, Any]:
    def now() -> Any:
        found = world.api.get(f"/api/processes/{job['id']}")
        return found if found["status"] in statuses else None

    found: dict[str, Any] = until(now, 30, f"the job is {statuses}")
    return found


def parts(world: World) -> list[int]:
    book = world.home / "greetings"
    return [int(line.split()[0]) for line in book.read_text().splitlines()] if book.exists() else []


def test_a_job_waits_for_its_review_and_goes_on_with_the_decision(
    world: World, worker: Worker
) -> None:
    job = begin(world)
    waiting = reached(world, job, "waiting_review")
    assert waiting["metadata"]["draft"] == {"text": "Dear Ada"}
    decided = world.api.post(
        f"/api/processes/{job['id']}/review", {"decision": "approve", "edits": "Dear Countess"}
    )
    assert decided["status"] in ("pending", "running")
    done = reached(world, job, "completed")
    assert done["result_summary"] == {"sent": True, "text": "Dear Countess"}
    assert parts(world) == list(range(40))


def test_a_killed_workers_job_is_resumed_from_its_checkpoint(world: World, worker: Worker) -> None:
    job = begin(world, pause_s=0.1)
    until(lambda: len(parts(world)) >= 10, 30, "ten parts are written")
    worker.program.kill()
    worker.start()
    reached(world, job, "waiting_review")
    written = parts(world)
    assert sorted(set(written)) == list(range(40))
    # A checkpoint is saved within about half a second: a few parts may come twice, not all.
    assert len(written) - 40 < 10
    world.api.post(f"/api/processes/{job['id']}/review", {"decision": "reject"})
    assert reached(world, job, "completed")["result_summary"] == {"sent": False, "text": None}


def test_a_cancelled_job_has_ended_at_once_and_its_run_soon_after(
    world: World, worker: Worker
) -> None:
    job = begin(world, pause_s=0.2)
    until(lambda: len(parts(world)) >= 2, 30, "it runs")
    cancelled = world.api.post(f"/api/processes/{job['id']}/cancel")
    assert cancelled["status"] == "cancelled"
    written = parts(world)
    other = begin(world)
    reached(world, other, "waiting_review")
    # All but what was on its way when it was killed are the other job's parts.
    assert 40 <= len(parts(world)) - len(written) <= 42
    assert world.api.get(f"/api/processes/{job['id']}")["status"] == "cancelled"


def test_a_stopped_worker_ends_in_order_and_the_job_is_taken_again(
    world: World, worker: Worker
) -> None:
    job = begin(world, pause_s=0.1)
    until(lambda: len(parts(world)) >= 5, 30, "it runs")
    worker.program.send(signal.SIGTERM)
    worker.program.send(signal.SIGTERM)
    assert worker.program.wait(20) == 0
    worker.start()
    reached(world, job, "waiting_review")
    assert sorted(set(parts(world))) == list(range(40))
