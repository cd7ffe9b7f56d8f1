"""A job's way through its statuses, with the worker played by hand."""

from __future__ import annotations

from typing import Any

from living_server import Api
from requests_by_hand import fresh
from worker_by_hand import Worker

from procession.protocol import PROTOCOL_VERSION

STATUSES = ("pending", "running", "waiting_review", "completed", "failed", "cancelled")


class JobWorker(Worker):
    """A worker with one lane, for jobs of a type of its own: no test takes another's."""

    def __init__(self, api: Api, **terms: Any) -> None:
        self.job_type = fresh("type").replace("-", "_").lower()
        name = fresh("worker")
        super().__init__(api, f"{name}/job-1", agent_id=name)
        lane = {"phone_id": self.phones[0], "job_types": [{"name": self.job_type, **terms}]}
        self._say(
            "register", protocol=PROTOCOL_VERSION, version="0", capabilities=[], phones=[lane]
        )

    def begin(self, **message: Any) -> dict[str, Any]:
        """A new job of this worker's type."""
        reply = self.api.post("/api/processes", {"type": self.job_type} | message)
        assert reply.status == 202, reply
        found: dict[str, Any] = reply.json
        return found

    def at(self, status: str) -> dict[str, Any]:
        """A job that has reached this status."""
        job = self.begin()
        path = f"/api/processes/{job['id']}"
        if status == "cancelled":
            assert self.api.post(f"{path}/cancel").status == 200
        elif status != "pending":
            item = self.claim()
            self.start(item)
            if status == "waiting_review":
                self.finish(item, "waiting", result={"rows": 2})
            elif status == "completed":
                self.finish(item, result={"rows": 3})
            elif status == "failed":
                self.finish(item, "failed", error={"message": "no such column"})
        found: dict[str, Any] = self.api.get(path).json
        assert found["status"] == status, found
        return found
