"""One agent's claim on its state directory, and the end of what a former life left running.

A run inherits its life's mark, a random word, in its environment; whoever carries it was
started by that life. Names and bare process ids are never trusted.
"""

from __future__ import annotations

import fcntl
import logging
import os
import secrets
import shutil
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from procession.agent import processes
from procession.agent.spool import Spool

ORPHANS_WAIT_S = 60.0
ORPHANS_POLL_S = 0.02

log = logging.getLogger(__name__)


class AlreadyRunning(Exception):
    """Another agent is alive with this state directory."""


class OrphansRemain(Exception):
    """Processes of a former life do not die; their phones must not be given new work."""


class Life:
    """Holds the lock from construction to `close`.

    Raises AlreadyRunning, OrphansRemain. When it returns, no process of a former life is left.
    """

    def __init__(self, state: Path, orphans_wait_s: float = ORPHANS_WAIT_S) -> None:
        state.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._lock = _locked(state / "agent.lock")
        mark_file = state / "life"
        if mark_file.exists():
            kill_orphans(mark_file.read_text().strip(), orphans_wait_s)
        self.mark = secrets.token_hex(16)
        _write_durably(mark_file, self.mark)
        self.runs_dir = state / "runs"
        shutil.rmtree(self.runs_dir, ignore_errors=True)
        self.runs_dir.mkdir(mode=0o700)
        self.spool = Spool(state / "spool.jsonl")

    def close(self) -> None:
        self.spool.close()
        os.close(self._lock)


Kill = Callable[[int, Callable[[int], bool]], None]


def kill_orphans(mark: str, wait_s: float, kill: Kill = processes.kill_if) -> int:
    """Kill every process that carries the mark, and all below; how many that were.

    Returns once none is left. Raises OrphansRemain.
    """
    killed: set[int] = set()
    deadline_s = time.monotonic() + wait_s
    while orphans := _family(mark):
        for pid in orphans - killed:
            log.warning("killing orphan pid=%d of a former life", pid)
        killed |= orphans
        is_orphan = partial(_is_orphan, mark, orphans)
        for pid in orphans:
            kill(pid, is_orphan)
        if time.monotonic() > deadline_s:
            raise OrphansRemain(f"processes {sorted(orphans)}")
        time.sleep(ORPHANS_POLL_S)
    return len(killed)


def _is_orphan(mark: str, orphans: set[int], pid: int) -> bool:
    return processes.carries(pid, mark) or processes.parent(pid) in orphans


def _family(mark: str) -> set[int]:
    if not mark:
        return set()
    carriers = processes.marked(mark)
    return (carriers | processes.descendants(carriers)) - {os.getpid()}


def _locked(path: Path) -> int:
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(fd)
        raise AlreadyRunning(str(path)) from None
    return fd


def _write_durably(path: Path, text: str) -> None:
    fresh = path.with_suffix(".new")
    with fresh.open("w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    fresh.rename(path)
