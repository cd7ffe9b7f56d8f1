"""What a peer has to be able to do, so that all are measured by the same program.

Only the standard library is imported here: this runs in the peers' environment.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, Protocol, TypedDict

FLUSH_S = 0.05
HOLD_S = 600.0
TEXT = "x" * 500
"""As much input as the processes of ours carry."""


class Job(TypedDict):
    """One no-op; `hold` keeps its phone busy for longer than any measurement."""

    phone: str
    sent_ns: int
    hold: bool
    text: str


class Peer(Protocol):
    """One product on a fresh database; `phones`: one run at a time for each, by its best recipe."""

    distribution: str
    recipe: str
    blocks: bool
    """Whether `enqueue` keeps its thread while it waits."""

    def __init__(self, address: str, phones: list[str]) -> None: ...

    async def install(self) -> None:
        """Create what it keeps its jobs in."""
        ...

    async def open(self, callers: int) -> None:
        """Connect, for that many callers at once."""
        ...

    async def close(self) -> None: ...

    def enqueue(self, job: Job) -> Coroutine[Any, Any, None]: ...

    async def enqueue_many(self, jobs: list[Job]) -> None: ...

    async def fill(self, jobs: list[Job]) -> None:
        """`enqueue_many` where it is not what is measured: as fast as it can be made."""
        ...

    async def finished(self) -> int:
        """How many jobs are acknowledged, as its store says."""
        ...

    def work(self, seen: Seen) -> None:
        """Be a worker until the process is ended."""
        ...


class Seen:
    """What a worker has begun, a line each: when, when it was sent, phone, whether it holds it."""

    def __init__(self, file: Path) -> None:
        self._output = file.open("a", buffering=1 << 20)
        self._lock = threading.Lock()
        self._held: set[str] = set()
        threading.Thread(target=self._flush_often, daemon=True).start()

    def began(self, job: Job) -> bool:
        """Note it down; whether the run is one that holds its phone."""
        now_ns = time.time_ns()
        word = "hold" if job["hold"] else "overlap" if job["phone"] in self._held else "run"
        with self._lock:
            self._output.write(f"{now_ns} {job['sent_ns']} {job['phone'] or '-'} {word}\n")
        if job["hold"] and job["phone"]:
            self._held.add(job["phone"])
        return job["hold"]

    def _flush_often(self) -> None:
        while True:
            with self._lock:
                self._output.flush()
            time.sleep(FLUSH_S)


def job(phone: str = "", *, hold: bool = False) -> Job:
    """A job that is sent now."""
    return Job(phone=phone, sent_ns=time.time_ns(), hold=hold, text=TEXT)


def lines_of(file: Path) -> list[tuple[int, int, str, str]]:
    """What the workers wrote so far, whole lines only."""
    if not file.exists():
        return []
    found: list[Any] = [line.split() for line in file.read_text().rpartition("\n")[0].splitlines()]
    return [(int(now), int(sent), phone, word) for now, sent, phone, word in found]
