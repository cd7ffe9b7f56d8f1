"""Capabilities that do what no run should, to see that it harms nobody."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from typing import Any, ClassVar

from procession.capabilities.capability import MODES, NO_BLOCKS, ROUTINGS, Job, PhoneFault

LONG_S = 600


class Misbehaving:
    name: ClassVar[str]
    Input: ClassVar[Any] = None
    modes: ClassVar[Any] = MODES
    routings: ClassVar[Any] = ROUTINGS
    blocked: ClassVar[Any] = NO_BLOCKS
    needs_phone: ClassVar[bool] = False
    on_interrupted: ClassVar[Any] = "fail"
    attempts_max: ClassVar[int] = 1
    time_limit_ms: ClassVar[int] = 600_000


def note(job: Job, word: str, pid: int) -> None:
    """Write a process id where the test asked for it."""
    with open(os.path.join(job.input["notes"], word), "w") as file:
        file.write(str(pid))


class Deaf(Misbehaving):
    """Ignores every signal that can be ignored, and being told."""

    name = "deaf"

    def run(self, job: Job) -> Any:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        note(job, "main", os.getpid())
        end = time.monotonic() + LONG_S
        while time.monotonic() < end:
            time.sleep(0.5)


def daemonize(job: Job, then: str) -> None:
    """Fork twice with a session in between; the grandchild notes its pid."""
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            note(job, "grandchild", os.getpid())
            if then == "exec":
                os.execve("/bin/sleep", ["sleep", str(LONG_S)], {})
            time.sleep(LONG_S)
        os._exit(0)
    os.wait()
    while not os.path.exists(os.path.join(job.input["notes"], "grandchild")):
        time.sleep(0.01)


class Daemonize(Misbehaving):
    """Leaves a daemon behind and waits to be stopped."""

    name = "daemonize"

    def run(self, job: Job) -> Any:
        daemonize(job, job.input.get("then", ""))
        note(job, "main", os.getpid())
        time.sleep(LONG_S)


class Escape(Misbehaving):
    """Leaves a daemon behind and completes."""

    name = "escape"

    def run(self, job: Job) -> Any:
        daemonize(job, job.input.get("then", ""))
        return {"left": "behind"}


class Stopped(Misbehaving):
    """Stops itself the hard way."""

    name = "stopped"

    def run(self, job: Job) -> Any:
        note(job, "main", os.getpid())
        os.kill(os.getpid(), signal.SIGSTOP)


class Mute(Misbehaving):
    """Closes every file and lives on."""

    name = "mute"

    def run(self, job: Job) -> Any:
        note(job, "main", os.getpid())
        os.closerange(0, 256)
        time.sleep(LONG_S)


class Flood(Misbehaving):
    """Prints 100 MB."""

    name = "flood"

    def run(self, job: Job) -> Any:
        os.write(1, b"the beginning\n")
        for _ in range(100):
            os.write(1, b"x" * 1_000_000)
        job.log("the end")
        return {"printed_mb": 100}


class Glutton(Misbehaving):
    """Eats memory until there is none."""

    name = "glutton"

    def run(self, job: Job) -> Any:
        eaten = []
        while True:
            eaten.append(bytearray(10_000_000))


class LookAround(Misbehaving):
    """Reads whatever a run can reach of itself and its ancestors."""

    name = "look_around"

    def run(self, job: Job) -> Any:
        return {
            "env": dict(os.environ),
            "fds": sorted(int(fd) for fd in os.listdir("/proc/self/fd")),
            "ancestors": [self._all_of(pid) for pid in ancestors()],
            "shell": subprocess.run(["env"], check=True, capture_output=True, text=True).stdout,
            "session": os.getsid(0) == os.getpid(),
            "argv": sys.argv,
        }

    def _all_of(self, pid: int) -> dict[str, str]:
        found = {}
        for name in ("environ", "cmdline"):
            with open(f"/proc/{pid}/{name}", "rb") as file:
                found[name] = file.read().decode(errors="replace").replace("\0", " ")
        return found


def ancestors() -> list[int]:
    """This process, its keeper and the zygote."""
    found = [os.getpid()]
    for _ in range(2):
        with open(f"/proc/{found[-1]}/stat") as file:
            found.append(int(file.read().rpartition(")")[2].split()[1]))
    return found


class OddResult(Misbehaving):
    """Gives back what cannot be reported."""

    name = "odd_result"

    def run(self, job: Job) -> Any:
        return {"nul": "\0", "long": "x" * 1_000_000, "object": object()}[job.input["kind"]]


class PhoneAtFault(Misbehaving):
    """Blames the phone."""

    name = "phone_fault"

    def run(self, job: Job) -> Any:
        raise PhoneFault("it fell into the sea")


class WatchFlag(Misbehaving):
    """Looks at the flag only and ends by itself."""

    name = "watch_flag"

    def run(self, job: Job) -> Any:
        while not job.stopping:
            time.sleep(0.01)
        return {"saw": "the flag"}


class Chatter(Misbehaving):
    """Reports progress far too often."""

    name = "chatter"

    def run(self, job: Job) -> Any:
        begun = time.monotonic()
        while (spent := time.monotonic() - begun) < job.input["seconds"]:
            job.progress(100 * spent / job.input["seconds"], "still chatting")
            time.sleep(0.001)
