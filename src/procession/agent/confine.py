"""What a freshly forked run does to itself before any capability code: walls and limits."""

from __future__ import annotations

import io
import os
import resource
import signal
import socket
import sys

from procession.agent import processes
from procession.agent.frames import Limits, Start

CHANNEL_FD = 3
_PASSED_ON = ("PATH", "LANG", "LC_ALL", "TZ", "PROCESSION_LIFE")
_DEFAULT_SIGNALS = (signal.SIGINT, signal.SIGPIPE, signal.SIGHUP, signal.SIGCHLD, signal.SIGTERM)


def confine(start: Start, home: str, channel: socket.socket, output_fd: int, parent: int) -> None:
    """Make this process a run: own session, no open file but its channel, limits, scrubbed env.

    The channel becomes file 3, standard output and error go to `output_fd`.
    """
    os.setsid()
    processes.die_with_parent(parent)
    for number in _DEFAULT_SIGNALS:
        signal.signal(number, signal.SIG_DFL)
    _redirect(channel.detach(), output_fd)
    limit(start.limits)
    os.chdir(home)
    environment = run_environment(start, home)
    os.environ.clear()
    os.environ.update(environment)


def _redirect(channel_fd: int, output_fd: int) -> None:
    kept = os.dup(channel_fd) if channel_fd <= CHANNEL_FD else channel_fd
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.dup2(output_fd, 1)
    os.dup2(output_fd, 2)
    os.dup2(kept, CHANNEL_FD, inheritable=False)
    os.closerange(CHANNEL_FD + 1, resource.getrlimit(resource.RLIMIT_NOFILE)[0])
    sys.stdout = io.TextIOWrapper(
        io.FileIO(1, "w", closefd=False), errors="backslashreplace", write_through=True
    )
    sys.stderr = sys.stdout


def limit(limits: Limits) -> None:
    """Put hard limits on this process and all it starts."""
    data_bytes = limits.memory_mb_max * 1024 * 1024
    _lower(resource.RLIMIT_DATA, data_bytes)
    _lower(resource.RLIMIT_NOFILE, limits.open_files_max)
    _lower(resource.RLIMIT_CORE, 0)


def _lower(which: int, value: int) -> None:
    hard = resource.getrlimit(which)[1]
    allowed = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(which, (allowed, allowed))


def run_environment(start: Start, home: str) -> dict[str, str]:
    """The whole environment of a run: an allow list, never a copy."""
    environment = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    environment |= {
        "HOME": home,
        "TMPDIR": home,
        "PROCESSION_ITEM_ID": start.item_id,
        "PROCESSION_PROCESS_ID": start.process_id,
        "PROCESSION_ATTEMPT": str(start.attempt),
    }
    if start.serial:
        environment["ANDROID_SERIAL"] = start.serial
        environment["ANDROID_ADB_SERVER_PORT"] = str(start.adb_port)
    return environment
