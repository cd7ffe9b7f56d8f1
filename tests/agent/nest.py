"""A nursery with one seat, and runs on it, for tests of children."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import msgspec

from procession.agent import processes
from procession.agent.child import Child
from procession.agent.frames import Ended, Limits, Progress, Start
from procession.agent.nursery import Nursery, Seat

MARK = "mark-of-a-test"


class Nest:
    """Starts runs and waits for what they note."""

    def __init__(self, nursery: Nursery, notes: Path) -> None:
        self.nursery = nursery
        self.notes = notes
        self.seat: Seat | None = None
        self.progress: list[Progress] = []

    async def start(
        self, capability: str, inputs: Any = None, lease_s: float = 60.0, memory_mb: int = 1024
    ) -> tuple[Child, asyncio.Task[Ended | None]]:
        self.seat = self.seat or await self.nursery.hire()
        child = Child(self.seat, self.nursery, self.progress.append)
        until_s = processes.now_s() + lease_s
        body = msgspec.json.encode({"notes": str(self.notes)} | (inputs or {}))
        limits = Limits(memory_mb_max=memory_mb)
        child.start(
            Start("process", "item", 1, capability, body, "phone", "", 0, None, limits, until_s)
        )
        return child, asyncio.create_task(child.until_dead())

    async def run(self, capability: str, inputs: Any = None, memory_mb: int = 1024) -> Ended:
        _, ending = await self.start(capability, inputs, memory_mb=memory_mb)
        ended = await asyncio.wait_for(ending, 30)
        assert ended
        return ended

    async def noted(self, word: str) -> int:
        """The process id a run wrote down under this word."""
        path = self.notes / word
        await until(lambda: path.exists() and path.read_text() != "")
        return int(path.read_text())


@contextlib.asynccontextmanager
async def nest(tmp_path: Path) -> AsyncIterator[Nest]:
    runs, notes = tmp_path / "runs", tmp_path / "notes"
    runs.mkdir()
    notes.mkdir()
    nursery = Nursery(runs, MARK + os.path.basename(tmp_path))
    try:
        yield Nest(nursery, notes)
    finally:
        await nursery.close()


async def until(seen: Callable[[], bool], timeout_s: float = 15.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not seen():
        assert time.monotonic() < deadline, "it did not happen in time"
        await asyncio.sleep(0.01)
