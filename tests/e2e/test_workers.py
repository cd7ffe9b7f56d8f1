"""`procession serve --workers N`: one address, N processes, none left over."""

from __future__ import annotations

import http.client
import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from api import Api, Reply
from deadline import until
from free_port import free_port
from postgres_server import PostgresServer
from programs import PROCESSION, Program, clean_environment, parent_of

TOKEN = "workers-" + "w" * 40
WORKERS = 2
CONNECTIONS = 60


class Served:
    """A server of several workers on a database of its own."""

    def __init__(
        self, home: Path, address: str, bootstrap_token: str = TOKEN, drain_ms: int = 3_000
    ) -> None:
        self.port = free_port()
        self.worker_port = free_port()
        words = ["serve", "--database", address, "--port", str(self.port)]
        words += [
            "--drain-ms",
            str(drain_ms),
            "--workers",
            str(WORKERS),
            "--worker-port",
            str(self.worker_port),
        ]
        settings = {"PROCESSION_BOOTSTRAP_TOKEN": bootstrap_token}
        self.program = Program("workers", [PROCESSION, *words], home, settings)
        assert self.program.first_line().endswith(f":{self.port}")
        self.api = Api(self.port, TOKEN, "https://example.invalid/")

    def workers(self) -> set[int]:
        """The processes below the one that was started."""
        return {
            int(name)
            for name in os.listdir("/proc")
            if name.isdigit() and _is_child(int(name), self.program.pid)
        }

    def answered(self, number: int) -> int:
        """How many lists one worker has answered, by its own metrics."""
        connection = http.client.HTTPConnection("127.0.0.1", self.worker_port + number, timeout=10)
        connection.request("GET", "/metrics")
        text = connection.getresponse().read().decode()
        connection.close()
        found = re.search(r'path="/processes",status="200"\} (\d+)', text)
        return int(found[1]) if found else 0


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgresServer]:
    server = PostgresServer()
    try:
        yield server
    finally:
        server.stop()


def _is_child(pid: int, parent: int) -> bool:
    try:
        return parent_of(pid) == parent
    except OSError:
        return False


def alive(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def echoed(served: Served, number: int) -> Reply:
    """Until some worker answers: a dead one's connections are reset, which a caller tries again."""

    def answer() -> Reply | None:
        try:
            reply = served.api.enqueue(f"workers-{number}", "echo", {"text": "hello"})
        except (OSError, http.client.HTTPException):
            return None
        return reply if reply.status != 503 else None

    return until(answer, 20, "an answer")


def test_workers_share_a_port_are_replaced_and_leave_nothing_behind(
    tmp_path: Path, postgres: PostgresServer
) -> None:
    served = Served(tmp_path, postgres.address("workers"))
    try:
        shares_are_fair(served)
        a_killed_worker_is_replaced_and_nothing_is_lost(served)
        begun_s = time.monotonic()
        children = served.workers()
        served.program.send(signal.SIGTERM)
        assert served.program.wait(20) == 0
        assert time.monotonic() - begun_s < 10
        assert not any(alive(child) for child in children)
    finally:
        served.program.end()


def shares_are_fair(served: Served) -> None:
    connections = []
    for _ in range(CONNECTIONS):
        connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=10)
        connection.request("GET", "/processes", headers={"Authorization": f"Bearer {TOKEN}"})
        assert connection.getresponse().read()
        connections.append(connection)
    for connection in connections:
        connection.close()
    shares = [served.answered(number) for number in range(WORKERS)]
    assert sum(shares) == CONNECTIONS
    # Of 60 by chance over two, fewer than 10 to one comes about once in ten million times.
    assert min(shares) >= 10


def a_killed_worker_is_replaced_and_nothing_is_lost(served: Served) -> None:
    before = served.workers()
    assert len(before) == WORKERS
    with ThreadPoolExecutor(8) as pool:
        answers = [pool.submit(echoed, served, number) for number in range(100)]
        os.kill(min(before), signal.SIGKILL)
        ids = {answer.result().body["process_id"] for answer in answers}
    assert len(ids) == 100
    after = until(lambda: _all_of(served, before), 20, "new workers")
    assert len(after & before) == 1
    until(lambda: all(_answers(served, number) for number in range(WORKERS)), 20, "all answer")
    for process_id in ids:
        assert served.api.record(process_id)["status"] == "queued"


def _all_of(served: Served, before: set[int]) -> set[int]:
    now = {pid for pid in served.workers() if alive(pid)}
    return now if len(now) == WORKERS and len(now & before) == 1 else set()


def _answers(served: Served, number: int) -> bool:
    try:
        served.answered(number)
    except OSError:
        return False
    return True


def test_a_killed_parent_takes_its_workers_with_it(
    tmp_path: Path, postgres: PostgresServer
) -> None:
    served = Served(tmp_path, postgres.address("orphans"))
    try:
        children = served.workers()
        assert len(children) == WORKERS
        served.program.kill()
        until(lambda: not any(alive(child) for child in children), 8, "no orphans")
    finally:
        served.program.end()


def test_a_second_signal_waits_for_nothing_and_a_token_is_told_once(
    tmp_path: Path, postgres: PostgresServer
) -> None:
    served = Served(tmp_path, postgres.address("second"), bootstrap_token="", drain_ms=30_000)
    try:
        said = served.program.out.read_text()
        assert said.count("token ") == 1
        served.api.token = said.split("token ")[1].split()[0]
        process_id = echoed(served, 1).body["process_id"]
        with ThreadPoolExecutor(1) as pool:
            path = f"/processes/{process_id}/stream"
            pool.submit(hold, served, path)
            until(lambda: served.api.record(process_id), 10)
            begun_s = time.monotonic()
            served.program.send(signal.SIGTERM)
            served.program.send(signal.SIGTERM)
            served.program.wait(20)
            assert time.monotonic() - begun_s < 15
    finally:
        served.program.end()


def hold(served: Served, path: str) -> None:
    """A stream, for as long as the server lets it."""
    connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=30)
    connection.request("GET", path, headers={"Authorization": f"Bearer {served.api.token}"})
    try:
        connection.getresponse().read()
    except (OSError, http.client.HTTPException):
        return
    finally:
        connection.close()


def refused(*words: str) -> str:
    """What a server that cannot be started says."""
    command = [PROCESSION, "serve", "--workers", "2", *words]
    env = clean_environment()
    done = subprocess.run(command, capture_output=True, text=True, env=env, timeout=30, check=False)
    assert done.returncode == 2
    return done.stderr


def test_several_workers_on_sqlite_are_refused_with_a_sentence(tmp_path: Path) -> None:
    said = refused("--database", f"sqlite:///{tmp_path}/a.db")
    assert "2 processes need PostgreSQL; SQLite is served by one" in said
    assert not (tmp_path / "a.db").exists()


def test_a_port_that_others_share_is_refused_all_the_same(postgres: PostgresServer) -> None:
    with socket.create_server(("127.0.0.1", 0), reuse_port=True) as taken:
        port = str(taken.getsockname()[1])
        said = refused("--port", port, "--database", postgres.address("taken"))
        assert "cannot listen on" in said
