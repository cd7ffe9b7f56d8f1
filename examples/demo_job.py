"""The demo's background job: a CSV file uploaded, checked, reviewed and applied to a table."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import aiohttp

from procession.client import Client

ROWS = 20_000
BATCH_ROWS = 200
LOOK_S = 0.1
FINAL = {"completed", "failed", "cancelled"}
COLUMNS = [
    {"column": "Name", "field": "name", "required": True},
    {"column": "Seats", "field": "seats", "type": "int"},
]


class Import:
    """A job of the workspace API, and the table its worker may write to."""

    def __init__(self, home: Path) -> None:
        self.record: dict[str, Any] = {}
        self._table = home / "places.db"
        self._targets = home / "targets.toml"
        with closing(sqlite3.connect(self._table)) as db:
            db.execute("CREATE TABLE places (name TEXT, seats INTEGER)")
        self._targets.write_text(
            f'[places]\ndatabase = "sqlite:///{self._table}"\ntable = "places"\n'
        )

    @property
    def worker_settings(self) -> dict[str, str]:
        """What the worker's environment must say for this job."""
        return {"PROCESSION_IMPORT_TARGETS": str(self._targets)}

    async def act(self, client: Client, server: str, token: str) -> None:
        """Upload, start, approve what the check has found, and follow it to its end."""
        upload = await self._uploaded(server, token)
        job = {"upload": upload, "target": "places", "columns": COLUMNS, "batch_rows": BATCH_ROWS}
        while True:
            body = {"type": "csv_import", "input": job, "request_id": "demo-import"}
            status, _, answer = await client.post("/api/processes", body)
            if status == 202:
                break
            # Until the worker has said what it knows, nobody knows the type.
            assert status == 422, answer
            await asyncio.sleep(LOOK_S)
        self.record = answer
        while self.record["status"] not in FINAL:
            if self.record["status"] == "waiting_review":
                await self._approve(client)
            await asyncio.sleep(LOOK_S)
            _, _, self.record = await client.get(f"/api/processes/{self.record['id']}")

    @property
    def note(self) -> str:
        """One line about it, as it is now."""
        result = self.record.get("result_summary")
        if result:
            return f"{result['applied']:,} rows applied, {result['skipped']} skipped"
        return self.record.get("error_message") or self.record.get("current_step") or ""

    def fault(self) -> str:
        """What did not end as it should; empty when all did."""
        if self.record.get("status") != "completed":
            return f"import: {self.record.get('status')}: {self.record.get('error_message')}"
        with closing(sqlite3.connect(self._table)) as db:
            (count,) = db.execute("SELECT count(DISTINCT name) FROM places").fetchone()
        return "" if count == ROWS - 1 else f"import: {count} rows instead of {ROWS - 1}"

    async def _uploaded(self, server: str, token: str) -> str:
        """The id of a file with one row that is wrong."""
        rows = "".join(f"Place {number},{number % 90}\n" for number in range(1, ROWS))
        csv = f"Name,Seats\nNowhere,many\n{rows}"
        headers = {"Authorization": f"Bearer {token}"}
        url = f"{server}/api/uploads?name=places.csv"
        async with (
            aiohttp.ClientSession(headers=headers) as session,
            session.post(url, data=csv.encode()) as reply,
        ):
            answer: dict[str, str] = await reply.json()
            assert reply.status == 201, answer
        return answer["id"]

    async def _approve(self, client: Client) -> None:
        """As a person would who has looked at the draft."""
        path = f"/api/processes/{self.record['id']}/review"
        status, _, answer = await client.post(path, {"decision": "approve"})
        assert status == 200, answer
