"""Child processes of a test: each in a group of its own, each ended by whoever started it."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from deadline import until

PLUGINS = Path(__file__).parent / "plugins"
PROCESSION = str(Path(sys.executable).with_name("procession"))
END_S_MAX = 20.0


class Program:
    """A running program; what it prints and logs lies in two files of its folder."""

    def __init__(
        self, name: str, words: Sequence[str], home: Path, env: Mapping[str, str] | None = None
    ) -> None:
        self.name = name
        self.out, self.log = home / f"{name}.out", home / f"{name}.log"
        self.said_before = self.out.stat().st_size if self.out.exists() else 0
        with self.out.open("ab") as out, self.log.open("ab") as log:
            self._process = subprocess.Popen(
                words,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=log,
                env=clean_environment() | dict(env or {}),
                start_new_session=True,
            )
        self.pid = self._process.pid

    @property
    def status(self) -> int | None:
        """How it ended, if it has."""
        return self._process.poll()

    def first_line(self, within_s: float = 30.0) -> str:
        """The first line of this life. Fails when the program ends before it."""

        def line() -> str:
            said = self.out.read_bytes()[self.said_before :]
            assert self.status is None, f"{self.name} ended: {self.last_words()}"
            return said.decode().split("\n")[0] if b"\n" in said else ""

        return until(line, within_s, f"the first line of {self.name}")

    def last_words(self) -> str:
        return self.log.read_text(errors="replace")[-3_000:]

    def send(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def wait(self, within_s: float = END_S_MAX) -> int:
        """Its exit status. Raises TimeoutExpired."""
        return self._process.wait(within_s)

    def kill(self) -> None:
        """As a power cut would: no chance to say anything."""
        self._process.kill()
        self._process.wait(END_S_MAX)

    def end(self) -> None:
        """Ask it to end; what is left of its group is killed."""
        if self.status is None:
            self.send(signal.SIGCONT)
            self.send(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.wait()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self._process.wait(END_S_MAX)


def clean_environment() -> dict[str, str]:
    """This process's environment without settings of the product, with the tests' plug-in."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PROCESSION_", "ANDROID_", "PYTEST_", "COV_"))
    }
    path = os.pathsep.join(filter(None, [str(PLUGINS), os.environ.get("PYTHONPATH")]))
    return kept | {"PYTHONPATH": path, "ADB_MDNS": "0", "PYTHONUNBUFFERED": "1"}


def parent_of(pid: int) -> int:
    with open(f"/proc/{pid}/stat") as file:
        return int(file.read().rpartition(")")[2].split()[1])
