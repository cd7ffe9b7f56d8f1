"""Tracked processes as a client of the steps face makes and moves them."""

from __future__ import annotations

import json
from typing import Any

from living_server import Api, Living, Reply
from requests_by_hand import fresh

from procession import tokens
from procession.engine import Engine
from procession.store.turn import Turn

ROOT = "/api/v1/processes"
FORM = {"title": "Sign", "steps": [{"id": "s", "title": "S", "blocks": []}]}
STEPS = [
    {"key": "plan", "label": "Plan"},
    {"key": "sign", "label": "Sign", "human": True},
    {"key": "tell", "label": "Tell", "continue_on_failure": True},
]


def definition(**changes: Any) -> dict[str, Any]:
    message: dict[str, Any] = {"namespace": "lab", "name": "Ship it", "steps": STEPS}
    return message | changes


def create(api: Api, **changes: Any) -> str:
    """The id of a new process."""
    reply = api.post(ROOT, definition(**changes))
    assert reply.status == 201, reply
    process_id: str = reply.json["process_id"]
    return process_id


def update(api: Api, process_id: str, kind: str, **fields: Any) -> Reply:
    return api.post(f"{ROOT}/{process_id}/update", {"type": kind, **fields})


def read(api: Api, process_id: str) -> dict[str, Any]:
    reply = api.get(f"{ROOT}/{process_id}")
    assert reply.status == 200, reply
    found: dict[str, Any] = reply.json
    return found


def listed(api: Api, query: str = "") -> dict[str, Any]:
    reply = api.get(f"{ROOT}?{query}")
    assert reply.status == 200, reply
    found: dict[str, Any] = reply.json
    return found


def faults(reply: Reply) -> dict[str, str]:
    """What a 400 says, by field."""
    assert reply.status == 400, reply
    assert list(reply.json) == ["error", "details"]
    assert reply.json["error"] == "Validation failed"
    return {detail["field"]: detail["message"] for detail in reply.json["details"]}


def sent(api: Api, method: str, path: str, body: Any) -> Reply:
    raw = None if body is None else json.dumps(body).encode()
    return api.send(method, path, raw, X_Request_Id="same")


def with_scopes(server: Living, api: Api, *scopes: str) -> Api:
    token = fresh("scoped") + "e" * 40

    async def make(engine: Engine) -> None:
        async def run(turn: Turn) -> None:
            await tokens.create_token(
                turn, token=token, token_id=token, tenant="ours", name="t", scopes=list(scopes)
            )

        await engine.ledger.errand(run)

    server.call(make)
    return api.as_(token)


def org_of(api: Api) -> str:
    namespace: str = read(api, create(api))["namespace"]
    return namespace.removesuffix(".lab")
