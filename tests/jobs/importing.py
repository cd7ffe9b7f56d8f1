"""A server and a worker with a target, and an import as a person sees it."""

from __future__ import annotations

import http.client
import json
import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from api import Reply
from deadline import until
from free_port import free_port
from programs import PROCESSION, Program

from procession.agent.life import kill_orphans

TOKEN = "imports-" + "i" * 40
LEASE_MS = 3_000


class Office:
    """One installation: a server, a worker, and `places`, a table of its own database."""

    def __init__(self, home: Path, targets: str = "", lanes: int = 1) -> None:
        self.home = home
        self.port = free_port()
        self.lanes = lanes
        self.own = home / "own.db"
        with sqlite3.connect(self.own) as db:
            db.execute("PRAGMA journal_mode=WAL")
            db.execute("CREATE TABLE places (name TEXT, code TEXT, seats INTEGER, opened DATE)")
        (home / "targets.toml").write_text(
            f'[places]\ndatabase = "sqlite:///{self.own}"\ntable = "places"\n{targets}'
        )
        self.environment: dict[str, str] = {
            "PROCESSION_TOKEN": TOKEN,
            "PROCESSION_IMPORT_TARGETS": str(home / "targets.toml"),
        }
        self.server = self._serve()
        self.worker = self.start_worker()

    def _serve(self) -> Program:
        words = ["serve", "--database", f"sqlite:///{self.home}/procession.db"]
        words += ["--port", str(self.port), "--lease-ms", str(LEASE_MS)]
        secrets = {"PROCESSION_BOOTSTRAP_TOKEN": TOKEN}
        server = Program("server", [PROCESSION, *words], self.home, secrets)
        assert server.first_line().endswith(f":{self.port}")
        return server

    def start_worker(self) -> Program:
        words = ["worker", "--server", f"http://127.0.0.1:{self.port}", "--name", "worker"]
        words += ["--lanes", str(self.lanes), "--state-dir", str(self.home / "worker")]
        self.worker = Program("worker", [PROCESSION, *words], self.home, self.environment)
        return self.worker

    def call(self, method: str, path: str, body: bytes | None = None, **headers: str) -> Reply:
        """One request with the token of all scopes."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, path, body, {"Authorization": f"Bearer {TOKEN}", **headers})
            response = connection.getresponse()
            said = response.read()
            named = {name.lower(): value for name, value in response.getheaders()}
            is_json = named.get("content-type", "").startswith("application/json")
            return Reply(response.status, named, json.loads(said) if said and is_json else said)
        finally:
            connection.close()

    def post(self, path: str, body: Mapping[str, Any], status: int = 200) -> Any:
        reply = self.call("POST", path, json.dumps(body).encode())
        assert reply.status == status, reply
        return reply.body

    def upload(self, data: bytes, name: str = "places.csv") -> str:
        reply = self.call("POST", f"/api/uploads?name={name}", data)
        assert reply.status == 201, reply
        upload_id: str = reply.body["id"]
        return upload_id

    def begin(self, job_type: str, given: Mapping[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = self.post(
            "/api/processes", {"type": job_type, "input": dict(given)}, 202
        )
        return found

    def job(self, job: Mapping[str, Any]) -> dict[str, Any]:
        reply = self.call("GET", f"/api/processes/{job['id']}")
        assert reply.status == 200, reply
        found: dict[str, Any] = reply.body
        return found

    def reached(
        self, job: Mapping[str, Any], *statuses: str, within_s: float = 60.0
    ) -> dict[str, Any]:
        """The job once it has one of these statuses."""

        def now() -> dict[str, Any] | None:
            found = self.job(job)
            ended = found["status"] in ("completed", "failed", "cancelled")
            assert found["status"] in statuses or not ended, found
            return found if found["status"] in statuses else None

        return until(now, within_s, f"the job is {statuses}")

    def review(self, job: Mapping[str, Any], edits: Any = None, word: str = "approve") -> Any:
        return self.post(f"/api/processes/{job['id']}/review", {"decision": word, "edits": edits})

    def draft(self, job: Mapping[str, Any], within_s: float = 60.0) -> dict[str, Any]:
        waiting = self.reached(job, "waiting_review", within_s=within_s)
        found: dict[str, Any] = waiting["metadata"]["draft"]
        return found

    def rows(self, query: str = "SELECT * FROM places ORDER BY rowid") -> list[Any]:
        db = sqlite3.connect(self.own, timeout=10)
        try:
            return db.execute(query).fetchall()
        finally:
            db.close()

    def end(self) -> None:
        self.worker.end()
        life = self.home / "worker" / "life"
        if life.exists():
            kill_orphans(life.read_text().strip(), 20)
        self.server.end()


COLUMNS = [
    {"column": "Name", "field": "name", "required": True, "max_chars": 40},
    {"column": "Code", "field": "code", "required": True},
    {"column": "Seats", "field": "seats", "type": "int", "default": 4},
    {"column": "Opened", "field": "opened", "type": "date"},
]


def wanted(upload: str, **more: Any) -> dict[str, Any]:
    """The input of an import into `places`."""
    return {"upload": upload, "target": "places", "columns": COLUMNS, "unique": ["code"]} | more
