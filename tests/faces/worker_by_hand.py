"""An agent played by hand over the worker face, one verb at a time."""

from __future__ import annotations

from typing import Any

from living_server import Api

from procession.protocol import PATH, PROTOCOL_VERSION


class Worker:
    """An agent with phones; `claim` takes one item."""

    def __init__(self, api: Api, *phones: str, agent_id: str = "agent-1") -> None:
        self.api = api
        self.agent_id = agent_id
        self.phones = list(phones)

    def register(self) -> Worker:
        self._say(
            "register",
            protocol=PROTOCOL_VERSION,
            version="0",
            capabilities=["echo"],
            phones=[{"phone_id": phone} for phone in self.phones],
        )
        return self

    def claim(self, *phones: str) -> dict[str, Any]:
        """The one item that waits for these phones."""
        items = self._say("claim", phones=list(phones or self.phones), wait_ms=5_000)["items"]
        assert len(items) == 1, items
        return items[0]

    def start(self, item: dict[str, Any]) -> None:
        self._say("report", runs=[{**_fence(item), "started": True}])

    def progress(self, item: dict[str, Any], percent: float, message: str = "") -> None:
        self._say("report", runs=[{**_fence(item), "percent": percent, "message": message}])

    def finish(self, item: dict[str, Any], outcome: str = "completed", **more: Any) -> Any:
        return self._say("finish", results=[{**_fence(item), "outcome": outcome, **more}])

    def run(self, item: dict[str, Any], **more: Any) -> None:
        self.start(item)
        self.finish(item, **more)

    def _say(self, verb: str, **message: Any) -> Any:
        reply = self.api.post(f"{PATH}/{verb}", {"agent_id": self.agent_id, **message})
        assert reply.status == 200, reply
        return reply.json


def _fence(item: dict[str, Any]) -> dict[str, Any]:
    return {"item_id": item["item_id"], "attempt": item["attempt"]}
