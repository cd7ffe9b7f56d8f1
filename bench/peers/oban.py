"""Oban for Python: psycopg pool; a queue with a limit of one for each phone."""

from __future__ import annotations

import asyncio
from typing import Any

import uvloop
from oban import Oban, worker
from oban.schema import install

from bench.peers.contract import HOLD_S, Job, Seen
from bench.peers.postgres import count_of

LIMIT = 200
CHUNK = 2_500
POOL_MAX = 20
SEEN: list[Seen] = []


@worker(queue="default")
class Noop:
    async def process(self, job: Any) -> None:
        if SEEN[0].began(job.args):
            await asyncio.sleep(HOLD_S)


class ObanPeer:
    distribution = "oban"
    recipe = "a queue a phone, limit 1 (holds for one node only)"
    blocks = False

    def __init__(self, address: str, phones: list[str]) -> None:
        self._address = address
        self._phones = phones

    async def install(self) -> None:
        pool = await Oban.create_pool(self._address)
        await install(pool)
        await pool.close()

    async def open(self, callers: int) -> None:
        self._pool = await Oban.create_pool(self._address, min_size=2, max_size=POOL_MAX)
        self._oban = Oban(pool=self._pool)
        await self._oban.start()

    async def close(self) -> None:
        await self._oban.stop()
        await self._pool.close()

    async def enqueue(self, job: Job) -> None:
        await self._oban.enqueue(self._job(job))

    async def enqueue_many(self, jobs: list[Job]) -> None:
        for start in range(0, len(jobs), CHUNK):
            await self._oban.enqueue_many(self._job(job) for job in jobs[start : start + CHUNK])

    async def fill(self, jobs: list[Job]) -> None:
        await self.enqueue_many(jobs)

    async def finished(self) -> int:
        return await count_of(
            self._address, "SELECT count(*) FROM oban_jobs WHERE state = 'completed'"
        )

    def work(self, seen: Seen) -> None:
        SEEN.append(seen)
        uvloop.run(self._work())

    async def _work(self) -> None:
        queues: dict[str, Any] = dict.fromkeys(self._phones, 1) or {"default": LIMIT}
        pool = await Oban.create_pool(self._address, min_size=4, max_size=POOL_MAX)
        async with Oban(pool=pool, queues=queues):
            await asyncio.sleep(HOLD_S)

    def _job(self, job: Job) -> Any:
        return Noop.new(dict(job), queue=job["phone"] if self._phones else "default")
