"""Dramatiq on Redis: threads, no results; its concurrent rate limiter for each phone."""

from __future__ import annotations

import time
from typing import Any

import dramatiq
import redis
from dramatiq.brokers.redis import RedisBroker
from dramatiq.middleware import Retries
from dramatiq.rate_limits import ConcurrentRateLimiter
from dramatiq.rate_limits.backends import RedisBackend

from bench.peers.contract import HOLD_S, Job, Seen

THREADS = 8
AGAIN_MS = 50
QUEUE = "default"


class Dramatiq:
    distribution = "dramatiq"
    recipe = "ConcurrentRateLimiter a phone, limit 1, tried again after 50 ms"
    blocks = True

    def __init__(self, address: str, phones: list[str]) -> None:
        self._phones = phones
        self._redis = redis.Redis.from_url(address)
        self._broker = RedisBroker(url=address)
        dramatiq.set_broker(self._broker)
        again: dict[str, Any] = {"max_retries": None, "min_backoff": AGAIN_MS, "max_backoff": 500}
        self._broker.middleware = [
            each for each in self._broker.middleware if not isinstance(each, Retries)
        ]
        self._broker.add_middleware(Retries(**again))
        self._backend = RedisBackend(url=address)
        self._actor = dramatiq.actor(actor_name="noop", queue_name=QUEUE)(self._run)
        self._sent = 0
        self._seen: Seen | None = None

    async def install(self) -> None:
        """Nothing: a broker needs no tables."""

    async def open(self, callers: int) -> None:
        """The broker connects by itself."""

    async def close(self) -> None:
        self._broker.close()

    async def enqueue(self, job: Job) -> None:
        self._actor.send(job)
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
        pipeline = self._redis.pipeline()
        for queue in (QUEUE, f"{QUEUE}.DQ"):
            pipeline.hlen(f"dramatiq:{queue}.msgs")
        return self._sent - sum(pipeline.execute())

    def work(self, seen: Seen) -> None:
        self._seen = seen
        working = dramatiq.Worker(self._broker, worker_threads=THREADS)
        working.start()
        time.sleep(HOLD_S)

    def _run(self, job: Job) -> None:
        if not job["phone"]:
            self._hold(job)
            return
        limiter = ConcurrentRateLimiter(
            self._backend, job["phone"], limit=1, ttl=int(HOLD_S * 1_000)
        )
        with limiter.acquire():
            self._hold(job)

    def _hold(self, job: Job) -> None:
        assert self._seen is not None
        if self._seen.began(job):
            time.sleep(HOLD_S)
