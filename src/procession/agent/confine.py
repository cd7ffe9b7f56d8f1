"""What a freshly forked run does to itself before any capability code: walls and limits.

Every page a run touches is copied first, so this does little, and `prepare` does once in the
zygote what holds for all runs.
"""

from __future__ import annotations

import io
import os
import resource
import socket
import sys

from procession.agent import processes
from procession.agent.frames import Limits, Start
from procession.capabilities import profile

CHANNEL_FD = 3
_PASSED_ON = frozenset(
    {"PATH", "LANG", "LC_ALL", "TZ", "PROCESSION_LIFE", profile.VARIABLE, profile.FOLDER}
)


def prepare() -> None:
    """In the zygote: an environment of allowed names only, and an output that hides nothing."""
    for name in os.environ.keys() - _PASSED_ON:
        del os.environ[name]
    sys.stdout = io.TextIOWrapper(
        io.FileIO(1, "w", closefd=False), errors="backslashreplace", write_through=True
    )


def confine(start: Start, home: str, channel: socket.socket, output_fd: int, parent: int) -> None:
    """Make this process a run: own session, no open file but its channel, limits, environment.

    The channel becomes file 3, standard output and error go to `output_fd`.
    """
    os.setsid()
    processes.die_with_parent(parent)
    _redirect(channel.detach(), output_fd)
    limit(start.limits)
    os.chdir(home)
    for name, value in additions(start, home).items():
        os.environ[name] = value


def _redirect(channel_fd: int, output_fd: int) -> None:
    kept = os.dup(channel_fd) if channel_fd <= CHANNEL_FD else channel_fd
    os.dup2(output_fd, 1)
    os.dup2(output_fd, 2)
    os.dup2(kept, CHANNEL_FD, inheritable=False)
    os.closerange(CHANNEL_FD + 1, resource.getrlimit(resource.RLIMIT_NOFILE)[0])


def limit(limits: Limits) -> None:
    """Put hard limits on this process and all it starts."""
    _lower(resource.RLIMIT_DATA, limits.memory_mb_max * 1024 * 1024)
    _lower(resource.RLIMIT_NOFILE, limits.open_files_max)
    _lower(resource.RLIMIT_CORE, 0)


def _lower(which: int, value: int) -> None:
    hard = resource.getrlimit(which)[1]
    allowed = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(which, (allowed, allowed))


def additions(start: Start, home: str) -> dict[str, str]:
    """What a run's environment holds besides what `prepare` left.

    Secret is at most what its type of job has asked for: see JobType.settings.
    """
    added = {
        **start.settings,
        "HOME": home,
        "TMPDIR": home,
        "PROCESSION_ITEM_ID": start.item_id,
        "PROCESSION_PROCESS_ID": start.process_id,
        "PROCESSION_ATTEMPT": str(start.attempt),
    }
    if start.app:
        added[profile.APP] = start.app
    if start.serial:
        added["ANDROID_SERIAL"] = start.serial
        added["ANDROID_ADB_SERVER_PORT"] = str(start.adb_port)
    return added
