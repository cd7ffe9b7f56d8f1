"""Celery on Redis: late acknowledgement, no results; a lock in Redis for each phone."""

from __future__ import annotations

import time
from typing import Any

import celery
import redis

from bench.peers.contract import HOLD_S, Job, Seen

THREADS = 16
PREFETCH = 64
LOCK_S = 600
AGAIN_S = 0.05
QUEUE = "celery"


class Celery:
    distribution = "celery"
    recipe = "a lock in Redis a phone, tried again after 50 ms (its cookbook)"
    blocks = True

    def __init__(self, address: str, phones: list[str]) -> None:
        self._phones = phones
        self._redis = redis.Redis.from_url(address)
        self._app = celery.Celery("bench", broker=address)
        self._app.conf.update(
            task_ignore_result=True,
            task_acks_late=True,
            task_reject_on_worker_lost=True,
            worker_prefetch_multiplier=PREFETCH,
            worker_enable_remote_control=False,
            worker_send_task_events=False,
            broker_connection_retry_on_startup=True,
            worker_hijack_root_logger=False,
        )

        @self._app.task(name="noop", bind=True, max_retries=None)
        def noop(task: Any, job: Job) -> None:
            self._run(task, job)

        self._task = noop
        self._sent = 0
        self._seen: Seen | None = None

    async def install(self) -> None:
        """Nothing: a broker needs no tables."""

    async def open(self, callers: int) -> None:
        """It connects by itself, through a pool of producers."""

    async def close(self) -> None:
        self._app.close()

    async def enqueue(self, job: Job) -> None:
        self._task.apply_async((job,))
        self._sent += 1

    async def enqueue_many(self, jobs: list[Job]) -> None:
        for job in jobs:
            await self.enqueue(job)

    async def fill(self, jobs: list[Job]) -> None:
        synced = self._redis.config_get("appendfsync")["appendfsync"]
        self._redis.config_set("appendfsync", "no")
        await self.enqueue_many(jobs)
        self._redis.config_set("appendfsync", synced)

    async def finished(self) -> int:
        left = self._redis.pipeline().llen(QUEUE).hlen("unacked").execute()
        return self._sent - sum(left)

    def work(self, seen: Seen) -> None:
        self._seen = seen
        pool = ["--pool", "threads", "--concurrency", str(THREADS)]
        if not self._phones:
            pool = ["--pool", "solo"]
        quiet = ["--without-gossip", "--without-mingle", "--without-heartbeat"]
        self._app.worker_main(["worker", "--loglevel", "ERROR", *pool, *quiet])

    def _run(self, task: Any, job: Job) -> None:
        assert self._seen is not None
        phone = job["phone"]
        if phone and not self._redis.set(phone, 1, nx=True, ex=LOCK_S):
            raise task.retry(countdown=AGAIN_S)
        try:
            if self._seen.began(job):
                time.sleep(HOLD_S)
        finally:
            if phone:
                self._redis.delete(phone)
