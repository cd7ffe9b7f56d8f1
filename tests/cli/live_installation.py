"""An installation at work: a server, an agent without phones, callers that go on and on."""

from __future__ import annotations

import json
import threading
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

from run_program import CALLBACK, TOKEN, Running, eventually

PAUSE_S = 0.05
LANES = ["lane_1", "lane_2"]
ENDED = frozenset({"completed", "failed_terminal", "cancelled"})


class Caller(threading.Thread):
    """Submits, one after the other, until it is told that the installation has moved."""

    def __init__(self, number: int, port: int) -> None:
        super().__init__()
        self.number, self.port = number, port
        self.accepted: dict[str, str] = {}
        """Request to process."""
        self.refused: list[dict[str, Any]] = []
        self.stopped = threading.Event()

    def run(self) -> None:
        while not self.stopped.wait(PAUSE_S):
            request_id = f"caller-{self.number}-{len(self.accepted)}"
            status, body = call(
                self.port, "POST", "/capability-requests/enqueue", wanted(request_id)
            )
            if status in (200, 202):
                self.accepted[request_id] = body["process_id"]
                continue
            assert status == 503, body
            self.refused.append(body)
            if body["code"] == "moved":
                return


def wanted(request_id: str) -> dict[str, Any]:
    return {
        "request_id": request_id,
        "capability": "echo",
        "mode": "manual",
        "target": {"routing": "queue"},
        "inputs": {"message": request_id},
        "callback": {"url": CALLBACK, "metadata": {}},
        "requested_by": {"system": "import", "user": None, "metadata": {}},
    }


def call(
    port: int, method: str, path: str, body: Any = None, token: str = TOKEN
) -> tuple[int, Any]:
    connection = HTTPConnection("127.0.0.1", port, timeout=30)
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    with closing(connection):
        connection.request(method, path, None if body is None else json.dumps(body), headers)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())


def submit(port: int, request_id: str, token: str = TOKEN) -> tuple[int, Any]:
    return call(port, "POST", "/capability-requests/enqueue", wanted(request_id), token)


def serve(home: Path, name: str, database: str, port: int) -> Running:
    words = ("serve", "--database", database, "--port", str(port), "--lease-ms", "3000")
    server = Running(home / f"{name}.log", *words, bootstrap_token=TOKEN)
    assert server.line() == f"listening on http://127.0.0.1:{port}"
    return server


def agent(home: Path, port: int) -> Running:
    words = ("--server", f"http://127.0.0.1:{port}", "--name", "mover", "--adb-port", "1")
    lanes = ("--state-dir", str(home / "agent"), "--lanes-without-phone", ",".join(LANES))
    log = home / "agent.log"
    return Running(log, "agent", *words, *lanes, token=TOKEN, adb_path="/bin/false")


def verify(port: int, process_id: str) -> None:
    """It ends, and its log is gapless with one end."""

    def record() -> Any:
        status, found = call(port, "GET", f"/processes/{process_id}")
        assert status == 200
        return found if found["status"] in ENDED else None

    ended = eventually(record, within_s=60)
    _, log = call(port, "GET", f"/processes/{process_id}/events")
    names = [event["name"] for event in log["events"]]
    assert [event["seq"] for event in log["events"]] == list(range(1, ended["version"] + 1))
    assert [name for name in names if name in ENDED] == [names[-1]] == [ended["status"]]
