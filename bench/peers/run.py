"""Measures one peer in one column, in the peers' environment; prints the result as JSON.

`python -m bench.peers.run <peer> <column> <options as JSON>`; as column `work` it is a worker.
"""

from __future__ import annotations

import asyncio
import importlib
import importlib.metadata
import json
import logging
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from bench.peers.contract import Job, Peer, Seen, job, lines_of

PEERS = {
    "procrastinate": ("bench.peers.procrastinate", "Procrastinate"),
    "pgqueuer": ("bench.peers.pgqueuer", "Pgqueuer"),
    "dbos": ("bench.peers.dbos", "Dbos"),
    "oban": ("bench.peers.oban", "ObanPeer"),
    "celery": ("bench.peers.celery", "Celery"),
    "dramatiq": ("bench.peers.dramatiq", "Dramatiq"),
}
POLL_S = 0.02
BOOT_S_MAX = 30.0
RATE_PER_S = 50
END_S_MAX = 5.0

Options = dict[str, Any]
Column = Callable[[str, Options], Coroutine[Any, Any, dict[str, Any]]]


def peer_of(name: str, options: Options) -> Peer:
    module, subject = PEERS[name]
    made: Peer = getattr(importlib.import_module(module), subject)(
        options["address"], options.get("phones", [])
    )
    return made


class Workers:
    """Worker processes of a peer, ended with the measurement."""

    def __init__(self, name: str, options: Options) -> None:
        self._command = [sys.executable, "-m", "bench.peers.run", name, "work", json.dumps(options)]
        self.file = Path(options["seen"])
        self.running: list[subprocess.Popen[bytes]] = []

    def start(self) -> subprocess.Popen[bytes]:
        with Path(f"{self.file}.log").open("ab") as output:
            started = subprocess.Popen(
                self._command, stdout=output, stderr=output, start_new_session=True
            )
        self.running.append(started)
        return started

    async def begun(self, count: int = 1, s: float = BOOT_S_MAX) -> None:
        """Wait until that many runs have begun."""
        ends = time.monotonic() + s
        while len(lines_of(self.file)) < count:
            if time.monotonic() > ends or self.running[-1].poll() is not None:
                said = Path(f"{self.file}.log").read_text()[-1_500:]
                raise SystemExit(f"no work was begun within {s:.0f} s: {said}")
            await asyncio.sleep(POLL_S)

    def end(self) -> None:
        for one in self.running:
            one.send_signal(signal.SIGKILL)
            one.wait(END_S_MAX)


async def one(name: str, options: Options) -> dict[str, Any]:
    """Enqueue one after the other for some seconds, from one caller."""
    peer = await opened(name, options)
    for _ in range(20):
        await peer.enqueue(job())
    count, began = 0, time.perf_counter()
    while (took := time.perf_counter() - began) < options["seconds"]:
        await peer.enqueue(job())
        count += 1
    await peer.close()
    return {"per_s": count / took}


async def bulk(name: str, options: Options) -> dict[str, Any]:
    """Enqueue many at once."""
    peer = await opened(name, options)
    jobs = [job() for _ in range(options["count"])]
    began = time.perf_counter()
    await peer.enqueue_many(jobs)
    took = time.perf_counter() - began
    await peer.close()
    return {"per_s": len(jobs) / took}


async def callers(name: str, options: Options) -> dict[str, Any]:
    """Enqueue one after the other from so many callers at once."""
    peer = await opened(name, options)
    until = time.perf_counter() + options["seconds"]
    began = time.perf_counter()
    if peer.blocks:
        each = [asyncio.to_thread(_blocking, peer, until) for _ in range(options["callers"])]
    else:
        each = [_waiting(peer, until) for _ in range(options["callers"])]
    count = sum(await asyncio.gather(*each))
    took = time.perf_counter() - began
    await peer.close()
    return {"per_s": count / took}


def _blocking(peer: Peer, until: float) -> int:
    """In a thread of its own: what blocks never suspends."""
    count = 0
    while time.perf_counter() < until:
        try:
            peer.enqueue(job()).send(None)
        except StopIteration:
            count += 1
    return count


async def _waiting(peer: Peer, until: float) -> int:
    count = 0
    while time.perf_counter() < until:
        await peer.enqueue(job())
        count += 1
    return count


async def drain(name: str, options: Options) -> dict[str, Any]:
    """A backlog ended by one worker process; with `phones` over these, one at a time each."""
    phones = options.get("phones", [])
    busy = phones[:2] if options.get("stuck") else []
    free = phones[len(busy) :]
    jobs = [job(phone, hold=True) for phone in busy]
    jobs += [job(busy[n % 2]) for n in range(options.get("stuck", 0))]
    jobs += [job(free[n % len(free)] if free else "") for n in range(options["count"])]
    return await drained(name, options, jobs)


async def drained(name: str, options: Options, jobs: list[Job]) -> dict[str, Any]:
    peer, workers = await opened(name, options), Workers(name, options)
    await peer.fill(jobs)
    try:
        workers.start()
        await workers.begun()
        first = min(line[0] for line in lines_of(workers.file)) / 1e9
        count, took = 0, 0.0
        while count < options["count"] and time.time() - first < options["s_max"]:
            await asyncio.sleep(POLL_S)
            count = max(0, await peer.finished())
        took = time.time() - first
    finally:
        workers.end()
    await peer.close()
    overlaps = sum(word == "overlap" for *_, word in lines_of(workers.file))
    return {"per_s": count / took, "finished": count, "overlaps": overlaps}


async def latency(name: str, options: Options) -> dict[str, Any]:
    """From just before enqueueing to the first line of the job, at a steady rate."""
    peer, workers = await opened(name, options), Workers(name, options)
    try:
        workers.start()
        await peer.enqueue(job())
        await workers.begun()
        began = time.perf_counter()
        for number in range(options["count"]):
            await asyncio.sleep(max(0.0, began + number / RATE_PER_S - time.perf_counter()))
            await peer.enqueue(job())
        await workers.begun(options["count"] + 1)
    finally:
        workers.end()
    await peer.close()
    took = sorted((now - sent) / 1e6 for now, sent, *_ in lines_of(workers.file)[1:])
    return {"p50_ms": took[len(took) // 2], "p99_ms": took[int(len(took) * 0.99)]}


async def crash(name: str, options: Options) -> dict[str, Any]:
    """Two workers, two endless jobs; SIGKILL of the one that runs the first: when it runs again."""
    peer, workers = await opened(name, options), Workers(name, options)
    try:
        doomed = workers.start()
        await peer.enqueue(job("doomed", hold=True))
        await workers.begun()
        lost = lines_of(workers.file)[0][1]
        workers.start()
        await asyncio.sleep(options["settle_s"])
        healthy = await held_by_other(peer, workers, options)
        killed_ns = time.time_ns()
        doomed.send_signal(signal.SIGKILL)
        again = await run_again(workers, lost, killed_ns, options["s_max"])
        left_s = options["s_max"] - (time.time_ns() - killed_ns) / 1e9
        await asyncio.sleep(max(0.0, left_s))
        twice = sum(sent == healthy for _, sent, *_ in lines_of(workers.file)) > 1
    finally:
        workers.end()
    await peer.close()
    return {"again_s": again, "healthy_run_twice": twice, "watched_s": options["s_max"]}


async def held_by_other(peer: Peer, workers: Workers, options: Options) -> int:
    """An endless job that the worker to be killed does not have; when it was sent."""
    doomed = workers.running[0]
    doomed.send_signal(signal.SIGSTOP)
    healthy = job("healthy", hold=True)
    await peer.enqueue(healthy)
    await workers.begun(2, options["s_max"])
    doomed.send_signal(signal.SIGCONT)
    return healthy["sent_ns"]


async def run_again(workers: Workers, sent: int, since_ns: int, s_max: float) -> float | None:
    while time.time_ns() - since_ns < s_max * 1e9:
        for now, each, *_ in lines_of(workers.file):
            if each == sent and now > since_ns:
                return (now - since_ns) / 1e9
        await asyncio.sleep(POLL_S)
    return None


async def opened(name: str, options: Options) -> Peer:
    """Installed, and ready to enqueue."""
    peer = peer_of(name, options)
    await peer.install()
    await peer.open(options.get("callers", 1))
    return peer


async def about(name: str, options: Options) -> dict[str, Any]:
    """Version and recipe."""
    module, subject = PEERS[name]
    found = getattr(importlib.import_module(module), subject)
    version = importlib.metadata.version(found.distribution)
    return {"version": version, "recipe": found.recipe}


COLUMNS: dict[str, Column] = {
    "about": about,
    "one": one,
    "bulk": bulk,
    "callers": callers,
    "drain": drain,
    "latency": latency,
    "crash": crash,
}


def main() -> None:
    name, column, text = sys.argv[1:]
    options = json.loads(text)
    logging.disable(logging.WARNING)
    if column == "work":
        peer_of(name, options).work(Seen(Path(options["seen"])))
        return
    print(json.dumps(asyncio.run(COLUMNS[column](name, options))))


if __name__ == "__main__":
    main()
