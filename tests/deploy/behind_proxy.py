"""Two servers on one PostgreSQL behind the proxy of deploy/haproxy.cfg, all of them real."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from free_port import free_port
from manifests import DEPLOY
from postgres_server import PostgresServer

PROGRAM = str(Path(sys.executable).with_name("procession"))
TOKEN = "t" * 40
WITHIN_S = 30.0
LOOK_EVERY_S = 0.05
CALL_S_MAX = 10.0


class Answer(NamedTuple):
    """`server` tells servers from each other: how the ids they give to requests begin."""

    status: int
    body: Any
    server: str


class Behind:
    """`ask` goes through the proxy; `servers` may be killed and started again."""

    def __init__(self, home: Path, database: str) -> None:
        self.port = free_port()
        self._home, self._database = home, database
        self._ports = [free_port(), free_port()]
        self.servers = [self.start(number) for number in (0, 1)]
        self._proxy = self._start_proxy()

    def start(self, number: int) -> subprocess.Popen[bytes]:
        """Begin a life of a server."""
        environment = {
            "PROCESSION_DATABASE": self._database,
            "PROCESSION_PORT": str(self._ports[number]),
            "PROCESSION_BOOTSTRAP_TOKEN": TOKEN,
            "PROCESSION_CALLBACK_ALLOW": "127.0.0.0/8",
        }
        with (self._home / f"server-{number}.log").open("ab") as log:
            return subprocess.Popen(
                [PROGRAM, "serve"],
                env=os.environ | environment,
                stdout=subprocess.DEVNULL,
                stderr=log,
            )

    def _start_proxy(self) -> subprocess.Popen[bytes]:
        environment = {"LISTEN": f"127.0.0.1:{self.port}"}
        environment |= {f"SERVER_{n}": f"127.0.0.1:{port}" for n, port in enumerate(self._ports, 1)}
        with (self._home / "proxy.log").open("wb") as log:
            return subprocess.Popen(
                [haproxy(), "-db", "-f", str(DEPLOY / "haproxy.cfg")],
                env=os.environ | environment,
                stdout=log,
                stderr=log,
            )

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=CALL_S_MAX)

    def ask(self, method: str, path: str, message: Any = None, token: str = TOKEN) -> Answer:
        """Raises OSError or HTTPException when there is no answer."""
        with contextlib.closing(self.connect()) as connection:
            headers = {"Authorization": f"Bearer {token}"} if token else {}
            body = None if message is None else json.dumps(message)
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            said = answer.read()
            name = (answer.getheader("X-Request-Id") or "").partition("-")[0]
            known = answer.getheader("Content-Type", "").startswith("application/json")
            return Answer(answer.status, json.loads(said) if known else said, name)

    def seen(self) -> set[str]:
        """Which servers answer now."""
        with contextlib.suppress(OSError, http.client.HTTPException):
            answers = [self.ask("GET", "/processes") for _ in range(6)]
            return {answer.server for answer in answers if answer.status == 200}
        return set()

    def end(self) -> None:
        for program in [self._proxy, *self.servers]:
            program.terminate()
        for program in [self._proxy, *self.servers]:
            program.wait(WITHIN_S)


@contextmanager
def behind_proxy(home: Path) -> Iterator[Behind]:
    """Ready: both servers answer through the proxy."""
    with ExitStack() as stack:
        postgres = PostgresServer()
        stack.callback(postgres.stop)
        behind = Behind(home, postgres.address("proxied"))
        stack.callback(behind.end)
        until(lambda: len(behind.seen()) == 2, "both servers behind the proxy")
        yield behind


def haproxy() -> str:
    program = Path("/usr/sbin/haproxy")
    assert program.exists(), "HAProxy is missing: run scripts/system-deps"
    return str(program)


def until(seen: Callable[[], bool], what: str) -> None:
    ends_s = time.monotonic() + WITHIN_S
    while not seen():
        assert time.monotonic() < ends_s, f"{what} did not come within {WITHIN_S:g} s"
        time.sleep(LOOK_EVERY_S)


def request(request_id: str) -> dict[str, Any]:
    """A submission that waits, since there are no phones."""
    return {
        "request_id": request_id,
        "capability": "echo",
        "mode": "manual",
        "target": {"routing": "queue"},
        "inputs": {},
        "callback": {"url": "http://127.0.0.1:9/unheard"},
        "requested_by": {"system": "tests"},
    }
