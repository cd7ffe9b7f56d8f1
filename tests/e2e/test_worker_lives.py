"""How workers are kept alive, with programs in their place that do nothing but die."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest
from free_port import free_port

from procession import workers
from procession.settings import Settings
from procession.workers import PAUSE_S_FIRST, Workers, WorkersFailed

LIVES = 4
DIES = """
import sys
sys.stdin.readline()
print({ready!r}, flush=True)
with open({book!r}, "a") as book:
    book.write("x")
sys.exit({status})
"""


def one_worker(
    monkeypatch: pytest.MonkeyPatch, folder: Path, ready: str, status: int
) -> tuple[Workers, Path]:
    """Workers of one place, whose program says `ready` and ends at once."""
    book = folder / "book"
    book.touch()
    program = DIES.format(ready=ready, book=str(book), status=status)
    (folder / "dying_worker.py").write_text(program)
    monkeypatch.setenv("PYTHONPATH", str(folder))
    monkeypatch.setattr(workers, "MODULE", "dying_worker")
    return Workers(Settings(port=free_port(), workers=1), "json"), book


def test_a_worker_that_keeps_dying_is_started_ever_more_slowly(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    async def run() -> None:
        kept, book = one_worker(monkeypatch, tmp_path, "ready", 1)
        begun_s = time.monotonic()
        running = asyncio.create_task(kept.run(lambda: None))
        async with asyncio.timeout(60):
            while len(book.read_text()) < LIVES:
                await asyncio.sleep(0.01)
        assert time.monotonic() - begun_s > PAUSE_S_FIRST * (1 + 2 + 4)
        kept.stop()
        await running

    asyncio.run(run())


@pytest.mark.parametrize(("ready", "status"), [("no", 1), ("ready", workers.GIVEN_UP)])
def test_workers_end_together_when_one_cannot_serve_at_all(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, ready: str, status: int
) -> None:
    async def run() -> None:
        kept, book = one_worker(monkeypatch, tmp_path, ready, status)
        with pytest.raises(WorkersFailed):
            await asyncio.wait_for(kept.run(lambda: None), 60)
        assert len(book.read_text()) == 1

    asyncio.run(run())
