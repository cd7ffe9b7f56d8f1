"""A small process, started before any thread and without any secret, that forks keepers.

It is given one end of a socket and speaks a tiny protocol on it: the agent sends the
letter `k` with the file of a keeper's socket; the zygote answers `s<pid>\\n` once a keeper has
ended and nothing it left behind is alive. When the agent's end closes, everything is killed.
"""

from __future__ import annotations

import contextlib
import gc
import os
import select
import signal
import socket
import sys
from typing import NoReturn

from procession.agent import confine, keeper, processes
from procession.capabilities import registry
from procession.jobs import registry as jobs

KEEPER_FD = 3
KEEPER_GRACE_S = 5.0
_SIGNALS_LEFT_TO_THE_AGENT = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class ThreadFound(Exception):
    """A thread runs in the zygote; a fork would copy locks in any state."""


def main() -> None:
    """Entry of `python -m procession.agent.zygote <runs_dir> <control_fd>`."""
    Zygote(socket.socket(fileno=int(sys.argv[2])), sys.argv[1]).serve()


class Zygote:
    """Forks keepers on request and mops up after them."""

    def __init__(self, control: socket.socket, runs_dir: str) -> None:
        self._control = control
        self._runs_dir = runs_dir
        self._keepers: set[int] = set()

    def serve(self) -> None:
        """Until the agent is gone. Raises ThreadFound."""
        processes.adopt_orphans()
        for number in _SIGNALS_LEFT_TO_THE_AGENT:
            signal.signal(number, signal.SIG_IGN)
        woken = _wake_on_child()
        registry.names()
        jobs.names()
        confine.prepare()
        gc.collect()
        gc.freeze()
        gc.disable()
        while True:
            ready, _, _ = select.select([self._control.fileno(), woken], [], [])
            if woken in ready:
                with contextlib.suppress(BlockingIOError):
                    os.read(woken, 4096)
                self._mop_up()
            if self._control.fileno() in ready and not self._hire():
                break
        self._close_down()

    def _hire(self) -> bool:
        """Fork the keeper that is asked for; False when the agent is gone."""
        letters, fds, _, _ = socket.recv_fds(self._control, 1, 1)
        if not letters:
            return False
        if len(os.listdir("/proc/self/task")) != 1:
            raise ThreadFound
        pid = os.fork()
        if pid == 0:
            self._become_keeper(fds[0])
        os.close(fds[0])
        self._keepers.add(pid)
        return True

    def _become_keeper(self, fd: int) -> NoReturn:
        self._control.detach()
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGCHLD, *_SIGNALS_LEFT_TO_THE_AGENT):
            signal.signal(number, signal.SIG_DFL)
        os.dup2(fd, KEEPER_FD, inheritable=False)
        os.closerange(KEEPER_FD + 1, os.sysconf("SC_OPEN_MAX"))
        keeper.serve(socket.socket(fileno=KEEPER_FD), self._runs_dir)

    def _mop_up(self) -> None:
        """Collect ended keepers, kill what they lost, and say so once it is dead."""
        ended = [pid for pid in processes.reap()[0] if pid in self._keepers]
        self._keepers -= set(ended)
        if ended:
            self._kill_strays()
        for pid in ended:
            with contextlib.suppress(OSError):
                self._control.sendall(f"s{pid}\n".encode())

    def _kill_strays(self) -> None:
        """Kill children that are no keepers, and all below them, until there are none."""
        pause_s = keeper.SWEEP_EVERY_S
        while strays := self._strays():
            for pid in strays | processes.descendants(strays):
                processes.send_signal(pid, signal.SIGKILL)
            select.select([], [], [], pause_s)
            pause_s = min(pause_s * 2, keeper.SWEEP_EVERY_S_MAX)
            self._keepers -= processes.reap()[0].keys()

    def _strays(self) -> set[int]:
        below = processes.children(os.getpid())
        return below - self._keepers

    def _close_down(self) -> None:
        # Keepers have lost their agent too and are ending their runs by themselves.
        deadline_s = processes.now_s() + KEEPER_GRACE_S
        while processes.reap()[1] and processes.now_s() < deadline_s:
            select.select([], [], [], keeper.SWEEP_EVERY_S)
        keeper.sweep_all()


def _wake_on_child() -> int:
    """A file that becomes readable whenever a child ends."""
    readable, writable = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.set_wakeup_fd(writable, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
    return readable


if __name__ == "__main__":
    main()
