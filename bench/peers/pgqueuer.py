"""PgQueuer: asyncpg, batches by arrays; an entrypoint with a limit of one for each phone."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta

import asyncpg
import uvloop
from pgqueuer import PgQueuer
from pgqueuer.models import Job as Picked
from pgqueuer.queries import Queries

from bench.peers.contract import HOLD_S, Job, Seen
from bench.peers.postgres import count_of

BATCH = 1_000
POOL_MAX = 20
NOOP = "noop"


class Pgqueuer:
    distribution = "pgqueuer"
    recipe = "an entrypoint a phone, concurrency_limit=1"
    blocks = False

    def __init__(self, address: str, phones: list[str]) -> None:
        self._address = address
        self._phones = phones
        self._sent = 0
        self._seen: Seen | None = None

    async def install(self) -> None:
        connection = await asyncpg.connect(self._address)
        queries = Queries.from_asyncpg_connection(connection)
        await queries.install()
        await queries.optimize_autovacuum()
        await connection.close()

    async def open(self, callers: int) -> None:
        self._pool = await asyncpg.create_pool(
            self._address, min_size=1, max_size=min(callers, POOL_MAX)
        )
        self._queries = Queries.from_asyncpg_pool(self._pool)

    async def close(self) -> None:
        await self._pool.close()

    async def enqueue(self, job: Job) -> None:
        await self._queries.enqueue(self._entrypoint(job), json.dumps(job).encode())
        self._sent += 1

    async def enqueue_many(self, jobs: list[Job]) -> None:
        await self._queries.enqueue(
            [self._entrypoint(job) for job in jobs],
            [json.dumps(job).encode() for job in jobs],
            [0] * len(jobs),
        )
        self._sent += len(jobs)

    async def fill(self, jobs: list[Job]) -> None:
        await self.enqueue_many(jobs)

    async def finished(self) -> int:
        left = await count_of(self._address, "SELECT count(*) FROM pgqueuer")
        return self._sent - left

    def work(self, seen: Seen) -> None:
        self._seen = seen
        uvloop.run(self._work())

    async def _work(self) -> None:
        connection = await asyncpg.connect(self._address)
        queuer = PgQueuer.from_asyncpg_connection(connection)
        for phone in self._phones:
            queuer.entrypoint(NOOP + phone, concurrency_limit=1)(self._run)
        if not self._phones:
            queuer.entrypoint(NOOP)(self._run)
        await queuer.run(batch_size=BATCH, dequeue_timeout=timedelta(seconds=1))

    def _entrypoint(self, job: Job) -> str:
        return NOOP + job["phone"] if self._phones else NOOP

    async def _run(self, picked: Picked) -> None:
        assert self._seen is not None and picked.payload is not None
        if self._seen.began(json.loads(picked.payload)):
            await asyncio.sleep(HOLD_S)
