"""Bodies that are as they should be, to be spoiled by tests."""

from __future__ import annotations

from itertools import count
from typing import Any

from living_server import Api, Reply

IDLE_PHONE = "idle-phone"

_numbers = count(1)


def fresh(prefix: str = "request") -> str:
    """A request id nobody used yet."""
    return f"{prefix}-{next(_numbers)}"


def capability_request(**changes: Any) -> dict[str, Any]:
    """An `echo` for a phone whose agent never takes work."""
    message: dict[str, Any] = {
        "request_id": fresh(),
        "capability": "echo",
        "mode": "manual",
        "target": {"routing": "group", "phone_ids": [IDLE_PHONE]},
        "inputs": {"say": "hello"},
        "callback": {"url": "http://127.0.0.1:1/updates", "metadata": {"environment": "test"}},
        "requested_by": {"system": "tests", "user": "t@example.com", "metadata": {}},
    }
    return message | changes


def direct(phone_id: str, account_id: str, **changes: Any) -> dict[str, Any]:
    target = {"routing": "direct", "phone_id": phone_id, "account_id": account_id}
    return capability_request(target=target, **changes)


def cancel_request(strategy: str | None = None, **changes: Any) -> dict[str, Any]:
    message: dict[str, Any] = {"reason": "not needed", "requested_by": {"system": "tests"}}
    if strategy is not None:
        message["strategy"] = strategy
    return message | changes


def enqueue(api: Api, **changes: Any) -> Reply:
    return api.post("/capability-requests/enqueue", capability_request(**changes))


def process_of(api: Api, **changes: Any) -> str:
    """The id of a new process."""
    reply = enqueue(api, **changes)
    assert reply.status == 202, reply
    process_id: str = reply.json["process_id"]
    return process_id


def account(api: Api, account_id: str | None = None, **changes: Any) -> str:
    """The id of a new account."""
    account_id = account_id or fresh("account")
    reply = api.post("/accounts", {"account_id": account_id, **changes})
    assert reply.status == 201, reply
    return account_id
