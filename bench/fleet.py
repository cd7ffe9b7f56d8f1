"""The product end to end: `procession serve`, `simulate` and `agent`, each a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

import adbutils

from bench import stamp
from bench.children import POLL_S, BenchFailed, Child, Server, free_port
from bench.contenders import call, procession, start_ours
from bench.wanted import TOKEN

READY_S_MAX = 60.0
ADB_S_MAX = 30.0


@contextmanager
def fleet(folder: Path, phones: int) -> Generator[Server, None, None]:
    """A server whose phones, simulated and behind one agent, are all free."""
    package = folder / "package"
    package.mkdir()
    environment = stamp.offer(package)
    environment["PYTHONPATH"] += os.pathsep + os.environ.get("PYTHONPATH", "")
    with (
        start_ours(folder, environment) as ours,
        one_agent(folder, ours, phones, "bench", environment),
    ):
        yield ours


@contextmanager
def one_agent(
    folder: Path, ours: Server, phones: int, name: str, environment: dict[str, str]
) -> Generator[Child, None, None]:
    """An agent with phones and an adb server of its own, once all its phones are free."""
    with adb_server(folder) as adb_port:
        shown = [*procession("simulate"), "--phones", str(phones), "--adb-port", adb_port]
        with Child(f"simulate-{name}", shown, folder) as simulated:
            running = [*procession("agent"), "--server", ours.url, "--adb-port", adb_port]
            running += ["--state-dir", str(folder / f"agent-{name}"), "--name", name]
            settings = {"PROCESSION_TOKEN": TOKEN, "PROCESSION_LOG_LEVEL": "warning"}
            wanted = len(free_phones(ours)) + phones
            with Child(f"agent-{name}", running, folder, environment | settings) as agent:

                def ready() -> bool:
                    simulated.check()
                    agent.check()
                    return len(free_phones(ours)) >= wanted

                until(ready, READY_S_MAX, f"{phones} free phones")
                yield agent


@contextmanager
def lanes_agent(
    folder: Path, ours: Server, lanes: list[str], name: str, adb_port: str
) -> Generator[Child, None, None]:
    """An agent with lanes that have no phone, once all of them are free."""
    running = [*procession("agent"), "--server", ours.url, "--adb-port", adb_port]
    running += ["--state-dir", str(folder / f"agent-{name}"), "--name", name]
    running += ["--lanes-without-phone", ",".join(lanes)]
    environment = {"PROCESSION_TOKEN": TOKEN, "PROCESSION_LOG_LEVEL": "warning"}
    with Child(f"agent-{name}", running, folder, environment) as agent:

        def ready() -> bool:
            agent.check()
            return set(lanes) <= set(free_phones(ours))

        until(ready, READY_S_MAX, f"the lanes {', '.join(lanes)}")
        yield agent


@contextmanager
def adb_server(folder: Path) -> Generator[str, None, None]:
    """A port for an adb server of our own; whatever was started there is ended."""
    port, adb = str(free_port()), str(adbutils.adb_path())
    environment = os.environ | {"HOME": str(folder), "TMPDIR": str(folder)}
    quiet = subprocess.DEVNULL
    start = [adb, "-P", port, "start-server"]
    subprocess.run(start, env=environment, check=True, timeout=ADB_S_MAX, stderr=quiet)
    try:
        yield port
    finally:
        end = [adb, "-P", port, "kill-server"]
        subprocess.run(end, env=environment, check=False, timeout=ADB_S_MAX, stderr=quiet)


def free_phones(ours: Server) -> list[str]:
    """The ids of the phones that would take work now."""
    phones = json.loads(call(ours, "/phones"))["phones"]
    return [phone["phone_id"] for phone in phones if phone["state"] == "available"]


def until(happened: Callable[[], bool], s: float, what: str) -> None:
    """Look again and again, with a deadline. Raises BenchFailed."""
    deadline = time.monotonic() + s
    while not happened():
        if time.monotonic() > deadline:
            raise BenchFailed(f"waited {s:.0f} s for {what}")
        time.sleep(POLL_S)
