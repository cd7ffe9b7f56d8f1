"""Procrastinate: psycopg pool, `lock` for one run a phone, a worker of many at once."""

from __future__ import annotations

import asyncio
from typing import Any

import procrastinate
from procrastinate import PsycopgConnector

from bench.peers.contract import HOLD_S, Job, Seen
from bench.peers.postgres import count_of

CONCURRENCY = 100
POOL_MAX = 20
RESCUE_EVERY_S = 5.0


class Procrastinate:
    distribution = "procrastinate"
    recipe = "lock=phone"
    blocks = False

    def __init__(self, address: str, phones: list[str]) -> None:
        self._address = address
        self._phones = phones
        self._connector = PsycopgConnector(conninfo=address, min_size=4, max_size=POOL_MAX)
        self._app = procrastinate.App(connector=self._connector)
        self._task = self._app.task(name="noop")(self._run)
        self._seen: Seen | None = None

    async def install(self) -> None:
        async with self._app.open_async():
            await self._app.schema_manager.apply_schema_async()

    async def open(self, callers: int) -> None:
        await self._app.open_async()

    async def close(self) -> None:
        await self._app.close_async()

    async def enqueue(self, job: Job) -> None:
        await self._deferrer(job).defer_async(job=job)

    async def enqueue_many(self, jobs: list[Job]) -> None:
        if not self._phones:
            await self._task.batch_defer_async(*({"job": job} for job in jobs))
            return
        wanted = [self._deferrer(job).job.evolve(task_kwargs={"job": job}) for job in jobs]
        await self._app.job_manager.batch_defer_jobs_async(wanted)

    async def fill(self, jobs: list[Job]) -> None:
        await self.enqueue_many(jobs)

    async def finished(self) -> int:
        return await count_of(
            self._address, "SELECT count(*) FROM procrastinate_jobs WHERE status = 'succeeded'"
        )

    def work(self, seen: Seen) -> None:
        self._seen = seen
        asyncio.run(self._work())

    async def _work(self) -> None:
        async with self._app.open_async():
            rescuing = asyncio.create_task(self._rescue())
            await self._app.run_worker_async(concurrency=CONCURRENCY, install_signal_handlers=False)
            rescuing.cancel()

    async def _rescue(self) -> None:
        """Its documented recipe for the jobs of workers that died, as a loop."""
        manager = self._app.job_manager
        while True:
            await asyncio.sleep(RESCUE_EVERY_S)
            for stalled in await manager.get_stalled_jobs():
                await manager.retry_job(stalled)

    def _deferrer(self, job: Job) -> Any:
        return self._task.configure(lock=job["phone"]) if self._phones else self._task.configure()

    async def _run(self, job: Job) -> None:
        assert self._seen is not None
        if self._seen.began(job):
            await asyncio.sleep(HOLD_S)
