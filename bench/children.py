"""Servers and other programs the measurements start: started, paused, read and ended by pid."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Self

READY_S_MAX = 30.0
END_S_MAX = 15.0
POLL_S = 0.05
TICKS_PER_S = os.sysconf("SC_CLK_TCK")
LOG_CHARS_MAX = 2_000

SERVER_CORE = 0
LOAD_CORE = 1


class BenchFailed(Exception):
    """A measurement could not be taken."""


class Child:
    """One program of ours, with its output in a file; use as `with`."""

    def __init__(
        self, name: str, command: list[str], folder: Path, environment: dict[str, str] | None = None
    ) -> None:
        self.name = name
        self.log = folder / f"{name}.log"
        with self.log.open("wb") as output:
            self._process = subprocess.Popen(
                command,
                stdout=output,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                cwd=folder,
                env=os.environ | (environment or {}),
                start_new_session=True,
            )
        self.pid = self._process.pid

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def pause(self) -> None:
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        self._process.send_signal(signal.SIGCONT)

    def check(self) -> None:
        """Raises BenchFailed with the end of its output if it has ended by itself."""
        if self._process.poll() is not None:
            said = self.log.read_text(errors="replace")[-LOG_CHARS_MAX:]
            raise BenchFailed(f"{self.name} ended with {self._process.returncode}:\n{said}")

    def cpu_s(self) -> float:
        """User and system time it has used, of all its threads."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS_PER_S

    def rss_mib(self) -> float:
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) / 1024
        raise BenchFailed(f"{self.name} has no memory any more")

    def kill(self) -> None:
        """SIGKILL, of this process alone."""
        self._process.kill()
        self._process.wait()

    def end(self) -> None:
        """SIGTERM, then SIGKILL of its group if it does not end in time."""
        if self._process.poll() is None:
            self.go_on()
            self._process.terminate()
            try:
                self._process.wait(END_S_MAX)
            except subprocess.TimeoutExpired:
                os.killpg(self.pid, signal.SIGKILL)
                self._process.wait()


class Server(Child):
    """A child that answers HTTP on a port of the loopback."""

    def __init__(
        self,
        name: str,
        command: list[str],
        folder: Path,
        port: int,
        environment: dict[str, str] | None = None,
        *,
        core: int = SERVER_CORE,
    ) -> None:
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        super().__init__(name, pinned(command, core), folder, environment)
        try:
            self._wait_ready()
        except BaseException:
            self.end()
            raise

    def _wait_ready(self) -> None:
        deadline = time.monotonic() + READY_S_MAX
        while time.monotonic() < deadline:
            self.check()
            try:
                with urllib.request.urlopen(f"{self.url}/healthz", timeout=2):
                    return
            except (urllib.error.URLError, OSError):
                time.sleep(POLL_S)
        raise BenchFailed(f"{self.name} was not ready within {READY_S_MAX:.0f} s")


def pinned(command: list[str], core: int) -> list[str]:
    """The command kept on one core, where there is more than one."""
    if core in os.sched_getaffinity(0) and len(os.sched_getaffinity(0)) > 1:
        return ["taskset", "-c", str(core), *command]
    return command


def free_port() -> int:
    """A port of the loopback that nobody listens on now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def uvicorn(app: str, folder: Path, port: int) -> list[str]:
    """The command that serves an app of this package the way the product is served."""
    return [
        *(sys.executable, "-m", "uvicorn", app, "--app-dir", str(Path(__file__).parents[1])),
        *("--host", "127.0.0.1", "--port", str(port), "--http", "httptools", "--loop", "uvloop"),
        *("--log-level", "warning", "--no-access-log", "--backlog", "2048"),
    ]
