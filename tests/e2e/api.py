"""The server as a caller sees it: requests, records, logs."""

from __future__ import annotations

import http.client
import itertools
import json
import os
import time
from datetime import datetime
from typing import Any, NamedTuple

CALL_S_MAX = 30.0
POLL_S = 5
ENDED = frozenset({"completed", "failed_terminal", "cancelled"})
_numbers = itertools.count(1)


class Reply(NamedTuple):
    """An answer; header names in lower case."""

    status: int
    headers: dict[str, str]
    body: Any


class Api:
    """Calls one server with one token; each call on a connection of its own."""

    def __init__(self, port: int, token: str, callback_url: str, host: str = "127.0.0.1") -> None:
        self.port, self.token, self.callback_url, self.host = port, token, callback_url, host

    def call(self, method: str, path: str, body: Any = None, within_s: float = CALL_S_MAX) -> Reply:
        """Raises OSError or HTTPException when no whole answer came."""
        connection = http.client.HTTPConnection(self.host, self.port, timeout=within_s)
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        try:
            sent = None if body is None else json.dumps(body)
            connection.request(method, path, sent, headers)
            response = connection.getresponse()
            said = response.read()
            named = {name.lower(): value for name, value in response.getheaders()}
            return Reply(response.status, named, json.loads(said) if said else None)
        finally:
            connection.close()

    def get(self, path: str) -> Any:
        """The body of a 200."""
        reply = self.call("GET", path)
        assert reply.status == 200, reply
        return reply.body

    def post(self, path: str, body: Any = None, status: int = 200) -> Any:
        """The body of an answer with this status."""
        reply = self.call("POST", path, {} if body is None else body)
        assert reply.status == status, reply
        return reply.body

    def submit(self, capability: str, inputs: Any, **target: Any) -> str:
        """A new request's process id; `phone` puts it on that phone, else `target` says where."""
        reply = self.enqueue(new_request_id(), capability, inputs, **target)
        assert reply.status == 202, reply
        process_id: str = reply.body["process_id"]
        return process_id

    def enqueue(
        self,
        request_id: str,
        capability: str,
        inputs: Any,
        within_s: float = CALL_S_MAX,
        **target: Any,
    ) -> Reply:
        phone = target.pop("phone", None)
        wanted = {"routing": "group", "phone_ids": [phone]} if phone else {"routing": "queue"}
        body = {
            "request_id": request_id,
            "capability": capability,
            "mode": "manual",
            "target": wanted | target,
            "inputs": inputs,
            "callback": {"url": self.callback_url, "metadata": {"test": "e2e"}},
            "requested_by": {"system": "e2e", "user": None, "metadata": {}},
        }
        return self.call("POST", "/capability-requests/enqueue", body, within_s)

    def record(self, process_id: str) -> Any:
        return self.get(f"/processes/{process_id}")

    def until_status(self, process_id: str, *wanted: str, within_s: float = 30.0) -> Any:
        """The record once its status is one of these, by long polls."""
        ends_s = time.monotonic() + within_s
        record = self.record(process_id)
        while record["status"] not in wanted:
            assert time.monotonic() < ends_s, f"{wanted} not reached: {record}"
            version = record["version"]
            wait_s = max(1, min(POLL_S, int(ends_s - time.monotonic())))
            reply = self.call("GET", f"/processes/{process_id}?wait={wait_s}&version={version}")
            assert reply.status in (200, 304), reply
            record = reply.body or record
        return record

    def ended(self, process_id: str, within_s: float = 30.0) -> Any:
        return self.until_status(process_id, *ENDED, within_s=within_s)

    def completed(self, process_id: str, within_s: float = 30.0) -> Any:
        record = self.ended(process_id, within_s)
        assert record["status"] == "completed", record
        return record

    def cancel(self, process_id: str, strategy: str, force_after_seconds: int = 10) -> Any:
        body = {
            "reason": "asked by a test",
            "requested_by": {"system": "e2e"},
            "strategy": strategy,
            "force_after_seconds": force_after_seconds,
        }
        return self.post(f"/processes/{process_id}/cancel", body)

    def events(self, process_id: str) -> list[Any]:
        found: list[Any] = self.get(f"/processes/{process_id}/events")["events"]
        return found

    def happened(self, process_id: str, name: str) -> bool:
        """Whether its log has an event of this name."""
        return any(event["name"] == name for event in self.events(process_id))

    def items(self, process_id: str) -> list[Any]:
        found: list[Any] = self.get(f"/processes/{process_id}/items")["items"]
        return found

    def item(self, process_id: str) -> Any:
        (only,) = self.items(process_id)
        return only

    def phones(self) -> dict[str, Any]:
        return {phone["phone_id"]: phone for phone in self.get("/phones")["phones"]}

    def phone(self, phone_id: str) -> Any:
        return self.phones()[phone_id]


def cancelled_within_s(record: Any) -> float:
    """How long a cancel took, by the server's own clock."""
    assert record["status"] == "cancelled", record
    times = record["timestamps"]
    ended, asked = (
        datetime.fromisoformat(times[name]) for name in ("finished_at", "cancel_requested_at")
    )
    return (ended - asked).total_seconds()


def new_request_id() -> str:
    return f"e2e-{os.getpid()}-{next(_numbers)}"
