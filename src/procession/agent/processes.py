"""Processes as Linux shows them in /proc: who descends from whom, and killing all of them."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import time
from collections import defaultdict
from collections.abc import Callable, Iterable

_PR_SET_PDEATHSIG = 1
_PR_SET_DUMPABLE = 4
_PR_SET_CHILD_SUBREAPER = 36

_libc = ctypes.CDLL(None, use_errno=True)
_libc.prctl.argtypes = [ctypes.c_int, *[ctypes.c_ulong] * 4]


def now_s() -> float:
    """Seconds on the clock leases are counted by: steady, and it goes on while suspended."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def _prctl(option: int, value: int) -> None:
    if _libc.prctl(option, value, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")


def adopt_orphans() -> None:
    """From now on descendants that lose their parent become children of this process."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def die_with_parent(parent_pid: int) -> None:
    """Be killed when the parent ends; ends at once if that has happened already."""
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent_pid:
        os._exit(1)


def hide_memory() -> None:
    """Keep other processes of this user from reading this one's memory, files and environment."""
    _prctl(_PR_SET_DUMPABLE, 0)


def _stat(pid: int) -> list[str]:
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            return file.read().rpartition(")")[2].split()
    except OSError:
        return []


def all_pids() -> list[int]:
    """Every process this one can see."""
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def descendants(roots: Iterable[int]) -> set[int]:
    """Living processes below `roots`, without the roots; zombies do not count."""
    children: defaultdict[int, list[int]] = defaultdict(list)
    dead: set[int] = set()
    for pid in all_pids():
        fields = _stat(pid)
        if fields:
            children[int(fields[1])].append(pid)
            if fields[0] in "ZX":
                dead.add(pid)
    found: set[int] = set()
    waiting = list(roots)
    while waiting:
        for child in children[waiting.pop()]:
            if child not in found:
                found.add(child)
                waiting.append(child)
    return found - dead


def state(pid: int) -> str:
    """One letter as in proc(5), such as T for stopped; empty when there is no such process."""
    fields = _stat(pid)
    return fields[0] if fields else ""


def parent(pid: int) -> int:
    """The parent's process id; 0 when there is no such process."""
    fields = _stat(pid)
    return int(fields[1]) if fields else 0


def alive(pid: int) -> bool:
    """Whether a process exists and is not a zombie."""
    return state(pid) not in {"", "Z", "X"}


def children(parent: int) -> set[int]:
    """Living children of a process; zombies do not count."""
    found: set[int] = set()
    for pid in all_pids():
        fields = _stat(pid)
        if fields and int(fields[1]) == parent and fields[0] not in "ZX":
            found.add(pid)
    return found


def carries(pid: int, mark: str) -> bool:
    """Whether a process carries `PROCESSION_LIFE=<mark>`, by inheritance or by environment."""
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            return f"PROCESSION_LIFE={mark}".encode() in file.read().split(b"\0")
    except OSError:
        return False


def marked(mark: str) -> set[int]:
    """Living processes that carry the mark."""
    return {pid for pid in all_pids() if carries(pid, mark)}


def kill_if(pid: int, still: Callable[[int], bool]) -> None:
    """Kill a process, and no other that may have got its number meanwhile.

    The process is pinned first; `still(pid)` then tells whether it is the one that is meant.
    """
    try:
        pinned = os.pidfd_open(pid)
    except OSError:
        return
    try:
        if still(pid):
            signal.pidfd_send_signal(pinned, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass
    finally:
        os.close(pinned)


def send_signal(pid: int, number: int) -> None:
    """Signal a process; one that is gone, or not ours, is passed over."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)


def send_group(pid: int, number: int) -> None:
    """Signal the process and its group."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)
    send_signal(pid, number)


def reap() -> tuple[dict[int, int], bool]:
    """Collect ended children: exit code by pid, and whether any child is left."""
    ended: dict[int, int] = {}
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return ended, False
        if pid == 0:
            return ended, True
        ended[pid] = os.waitstatus_to_exitcode(status)
