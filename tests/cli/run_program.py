"""Runs the program `procession` as people do: real processes, pipes and signals."""

from __future__ import annotations

import json
import os
import selectors
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from preloaded import run_forked

PROGRAM = str(Path(sys.executable).with_name("procession"))
TOKEN = "t" * 40
CALLBACK = "http://127.0.0.1:9/unheard"
START_S_MAX = 30.0
END_S_MAX = 10.0
RUN_S_MAX = 60.0

T = TypeVar("T")


def environment(**given: str) -> dict[str, str]:
    """This environment without what belongs to the product, and the given variables."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PROCESSION_")}
    return kept | {f"PROCESSION_{name.upper()}": value for name, value in given.items()}


class Ran:
    """What one command said, and how it ended."""

    def __init__(self, done: subprocess.CompletedProcess[str]) -> None:
        self.status = done.returncode
        self.out = done.stdout
        self.err = done.stderr

    @property
    def json(self) -> Any:
        """Its one line of JSON."""
        (line,) = self.out.splitlines()
        return json.loads(line)

    @property
    def complaint(self) -> str:
        """Its one line on standard error, when it printed nothing else."""
        assert self.out == "", self.out
        (line,) = self.err.splitlines()
        assert line.startswith("procession: ")
        return line


def run(*words: str, stdin: str = "", cwd: Path | None = None, **variables: str) -> Ran:
    """Run a command to its end, in a process of its own."""
    return Ran(run_forked(list(words), stdin, cwd, environment(**variables), RUN_S_MAX))


class Running:
    """A command that goes on; its standard error is a file."""

    def __init__(self, log: Path, *words: str, **variables: str) -> None:
        self.log = log
        with log.open("ab") as err:
            self.child = subprocess.Popen(
                [PROGRAM, *words],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=err,
                env=environment(**variables),
                start_new_session=True,
            )
        self._said = b""

    def line(self) -> str:
        """The next line it prints."""
        assert self.child.stdout is not None
        with selectors.DefaultSelector() as waiting:
            waiting.register(self.child.stdout, selectors.EVENT_READ)
            deadline_s = time.monotonic() + START_S_MAX
            while b"\n" not in self._said:
                left_s = deadline_s - time.monotonic()
                assert left_s > 0 and waiting.select(left_s), self.log.read_text()
                part = os.read(self.child.stdout.fileno(), 65_536)
                assert part, f"it ended: {self.log.read_text()}"
                self._said += part
        line, _, self._said = self._said.partition(b"\n")
        return line.decode()

    def rest(self) -> str:
        """Everything else it printed, once it has ended."""
        assert self.child.stdout is not None
        return (self._said + self.child.stdout.read()).decode()

    def end(self, number: int = signal.SIGTERM, within_s: float = END_S_MAX) -> int:
        """Signal it and wait for its exit status."""
        self.child.send_signal(number)
        return self.child.wait(within_s)

    def close(self) -> None:
        if self.child.poll() is None:
            self.child.kill()
            self.child.wait()
        if self.child.stdout:
            self.child.stdout.close()


def serve(home: Path, *words: str, **variables: str) -> tuple[Running, str]:
    """A server on a database in `home`, and its address."""
    database = f"sqlite:///{home / 'procession.db'}"
    variables = {"bootstrap_token": TOKEN, "port": "0"} | variables
    server = Running(home / "server.log", "serve", "--database", database, *words, **variables)
    return server, server.line().removeprefix("listening on ")


def http_status(url: str, token: str = TOKEN) -> int:
    """The status a GET is answered with."""
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"})
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as refusal:
        with refusal:
            return refusal.code


def eventually(look: Callable[[], T | None], within_s: float = 20.0) -> T:
    """What `look` finds once it finds something."""
    deadline_s = time.monotonic() + within_s
    while True:
        found = look()
        if found:
            return found
        assert time.monotonic() < deadline_s, "it never came true"
        time.sleep(0.05)
