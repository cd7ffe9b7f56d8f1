"""DBOS: a queue polled every 50 ms (its default is a second); partitioned by phone."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import dbos
import sqlalchemy
from dbos import DBOS, DBOSClient

from bench.peers.contract import HOLD_S, Job, Seen
from bench.peers.postgres import count_of

POLL_S = 0.05
QUEUE, NOOP, APP, VERSION = "bench", "noop", "bench", "1"
THREADS = 100


class Dbos:
    distribution = "dbos"
    recipe = "a queue partitioned by phone, partition_concurrency=1"
    blocks = True

    def __init__(self, address: str, phones: list[str]) -> None:
        # Its own checks of an address want a host before the database's name.
        self._plain = address
        self._address = address.replace("postgresql://bench@/", "postgresql://bench@localhost/")
        self._phones = phones
        self._engine: sqlalchemy.Engine | None = None

    async def install(self) -> None:
        # Its own calls refuse to be made while an event loop runs in the same thread.
        await asyncio.to_thread(self._install)

    def _install(self) -> None:
        self._launch()
        limits: dict[str, Any] = {"polling_interval_sec": POLL_S}
        if self._phones:
            limits |= {"partition_concurrency": 1}
        DBOS.register_queue(QUEUE, **limits)
        DBOS.destroy()

    async def open(self, callers: int) -> None:
        self._client = DBOSClient(system_database_url=self._address)
        self._engine = self._client._sys_db.engine

    async def close(self) -> None:
        self._client.destroy()

    async def enqueue(self, job: Job) -> None:
        self._client.enqueue(self._options(job), job)

    async def enqueue_many(self, jobs: list[Job]) -> None:
        assert self._engine is not None
        with self._engine.begin() as connection:
            for job in jobs:
                self._client.enqueue_in_transaction(connection, self._options(job), job)

    async def fill(self, jobs: list[Job]) -> None:
        await self.enqueue_many(jobs)

    async def finished(self) -> int:
        return await count_of(
            self._plain, "SELECT count(*) FROM dbos.workflow_status WHERE status = 'SUCCESS'"
        )

    def work(self, seen: Seen) -> None:
        def run(job: Job) -> None:
            if seen.began(job):
                time.sleep(HOLD_S)

        self._launch(run)
        time.sleep(HOLD_S)

    def _launch(self, run: Any = lambda job: None) -> None:
        config = dbos.DBOSConfig(
            name=APP,
            system_database_url=self._address,
            application_version=VERSION,
            log_level="ERROR",
            sys_db_pool_size=20,
            run_admin_server=False,
        )
        DBOS(config=config)
        DBOS.workflow(name=NOOP)(run)
        DBOS.launch()

    def _options(self, job: Job) -> dbos.EnqueueOptions:
        options = dbos.EnqueueOptions(workflow_name=NOOP, queue_name=QUEUE, app_version=VERSION)
        if self._phones:
            options["queue_partition_key"] = job["phone"]
        return options
