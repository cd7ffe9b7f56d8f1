"""An agent as the first process of its container, with nobody above it to bury its dead."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from behind_proxy import PROGRAM, TOKEN, request, until
from free_port import free_port

LANE = "lane_1"


class Place:
    """A server, and an agent that is process 1 of a process namespace of its own."""

    def __init__(self, home: Path, stack: ExitStack) -> None:
        self._port = free_port()
        settings = {
            "PROCESSION_DATABASE": f"sqlite:///{home}/procession.db",
            "PROCESSION_PORT": str(self._port),
            "PROCESSION_BOOTSTRAP_TOKEN": TOKEN,
            "PROCESSION_CALLBACK_ALLOW": "127.0.0.0/8",
        }
        self._begin(stack, [PROGRAM, "serve"], settings, home / "server.log")
        until(self._answers, "the server")
        settings = {
            "PROCESSION_SERVER": f"http://127.0.0.1:{self._port}",
            "PROCESSION_TOKEN": TOKEN,
            "PROCESSION_STATE_DIR": str(home / "agent"),
            "PROCESSION_LANES_WITHOUT_PHONE": LANE,
            "PROCESSION_AGENT_DRAIN_MS": "1000",
        }
        apart = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"]
        entering = self._begin(stack, [*apart, PROGRAM, "agent"], settings, home / "agent.log")
        until(lambda: self.child_of(entering.pid) != 0, "the agent")
        self.agent = self.child_of(entering.pid)

    def _begin(
        self, stack: ExitStack, words: list[str], settings: dict[str, str], log: Path
    ) -> subprocess.Popen[bytes]:
        with log.open("ab") as said:
            program = subprocess.Popen(
                words, env=os.environ | settings, stdout=subprocess.DEVNULL, stderr=said
            )
        stack.callback(program.wait, 20)
        stack.callback(program.terminate)
        return program

    def ask(self, path: str, message: Any = None) -> Any:
        url = f"http://127.0.0.1:{self._port}{path}"
        body = None if message is None else json.dumps(message).encode()
        asked = urllib.request.Request(url, body, {"Authorization": f"Bearer {TOKEN}"})
        with urllib.request.urlopen(asked, timeout=10) as answer:
            return json.loads(answer.read())

    def _answers(self) -> bool:
        try:
            return bool(self.ask("/healthz"))
        except OSError:
            return False

    def child_of(self, pid: int) -> int:
        told = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return int(told[0]) if told else 0

    def inside(self) -> list[int]:
        """Every process of the agent's namespace, by its number outside."""
        own = os.readlink(f"/proc/{self.agent}/ns/pid")
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                if os.readlink(folder / "ns" / "pid") == own:
                    found.append(int(folder.name))
            except OSError:
                continue
        return found


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    if os.getuid() != 0:
        pytest.skip("process namespaces are made by root")
    with ExitStack() as stack:
        yield Place(tmp_path_factory.mktemp("first"), stack)


def run_one(place: Place, number: int) -> None:
    said = place.ask("/capability-requests/enqueue", request(f"first-{number}"))
    record = f"/processes/{said['process_id']}"
    until(lambda: place.ask(record)["status"] == "completed", "the end of a run")


def test_it_works_and_leaves_no_dead_unburied(place: Place) -> None:
    for number in range(3):
        run_one(place, number)
    states = [Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2] for pid in place.inside()]
    assert len(states) >= 2 and not [state for state in states if state.split()[0] == "Z"]


def test_no_process_beside_it_has_the_token_in_its_environment(place: Place) -> None:
    run_one(place, 10)
    for pid in place.inside():
        assert TOKEN.encode() not in Path(f"/proc/{pid}/environ").read_bytes()


def test_it_ends_when_it_is_told_to(place: Place) -> None:
    os.kill(place.agent, signal.SIGTERM)
    until(lambda: not Path(f"/proc/{place.agent}").exists(), "the agent's end")
