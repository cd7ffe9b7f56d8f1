"""Hours in minutes: submissions, claims, ends and pruning without pause, and whether it stays so.

`python -m bench.soak [--seconds N] [--retention-s N] [--only sqlite] [--json FILE]`
Everything in one process, over the operations, as fast as it goes. Fails when the last fifth is
slower than 85 % of the first, or memory or tables grow though as much is pruned as is submitted.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Generator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path

import asyncpg
import msgspec
import uvloop
from msgspec import Struct

from bench.children import BenchFailed
from bench.peers.ours import AGENT, CALLER, DONE, register, submit
from bench.peers.stores import postgres
from procession import loops, reporting, working
from procession.engine import Engine
from procession.opening import open_engine
from procession.protocol import Assignment, Claim, Finish, Result
from procession.settings import Settings

DATABASES = ("sqlite", "postgresql")
FIFTHS = 5
PHONES = 64
HALVES = 2
SUBMITTERS = 32
AHEAD_MAX = 500
"""Submissions that wait for a phone; the submitters wait beyond."""
GROWTH_MAX = 1.5
SPARE_MIB = 64.0
"""Tables at the end: so many times those of the first fifth, and what is swept only later."""
SLOWEST = 0.85
MEMORY_MIB_MAX = 24.0
PRUNE_EVERY_MS = 250
DAY_S = 86_400
TABLES = ("process", "item", "event", "delivery", "turn")

Size = Callable[[], Awaitable[float]]


class Fifth(Struct, frozen=True):
    """What was there at the end of a fifth, and what was done in it."""

    per_s: float
    cpu_us: float
    """Of this process, for one submission, claim, end and pruning."""
    memory_mib: float
    tables_mib: float
    processes: int


class Soaked(Struct, frozen=True):
    database: str
    fifths: list[Fifth]

    @property
    def speed(self) -> float:
        """The last fifth's rate in the first's."""
        return self.fifths[-1].per_s / self.fifths[0].per_s

    def faults(self, *, slowest: float = SLOWEST) -> list[str]:
        """What did not stay as it was; empty when all did."""
        first, last = self.fifths[0], self.fifths[-1]
        found = []
        if self.speed < slowest:
            found.append(f"the last fifth ran at {self.speed:.0%} of the first")
        if last.memory_mib - first.memory_mib > MEMORY_MIB_MAX:
            found.append(f"memory grew from {first.memory_mib:.0f} to {last.memory_mib:.0f} MiB")
        if last.tables_mib > GROWTH_MAX * first.tables_mib + SPARE_MIB:
            found.append(f"tables grew from {first.tables_mib:.0f} to {last.tables_mib:.0f} MiB")
        return found


class Load:
    """Submissions, claims and ends that keep each other going."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._ended_s = float("inf")
        self.submitted = 0
        self.finished = 0
        self.pruned = 0

    async def run(self, ends: Callable[[], bool]) -> None:
        phones = [f"lane{number:03d}" for number in range(PHONES)]
        await register(self._engine, phones)
        pruning = asyncio.create_task(self._prune())
        groups = [phones[start::HALVES] for start in range(HALVES)]
        try:
            await asyncio.gather(
                *(self._submit(ends) for _ in range(SUBMITTERS)),
                *(self._work(group, ends) for group in groups),
            )
        finally:
            pruning.cancel()
            await asyncio.gather(pruning, return_exceptions=True)

    async def _submit(self, ends: Callable[[], bool]) -> None:
        while not ends():
            if self.submitted - self.finished > AHEAD_MAX:
                await asyncio.sleep(0.001)
                continue
            self.submitted += 1
            await submit(self._engine, f"soak-{self.submitted}")

    async def _work(self, phones: list[str], ends: Callable[[], bool]) -> None:
        items: list[Assignment] = []
        while items or not ends():
            if not items:
                items = await working.claim(self._engine, CALLER, Claim(AGENT, phones, 200))
                continue
            results = [Result(one.item_id, one.attempt, "completed", result=DONE) for one in items]
            next_for = [] if ends() else phones
            finished = await reporting.finish(
                self._engine, CALLER, Finish(AGENT, results, next_for)
            )
            if refused := [answer.code for answer in finished.answers if not answer.accepted]:
                raise BenchFailed(f"{len(refused)} ends were refused: {refused[0]}")
            self.finished += len(items)
            items = finished.items

    async def _prune(self) -> None:
        retention = loops.Retention(self._engine)
        while True:
            done = await retention.step(self._engine.now_ms())
            self.pruned += done
            await asyncio.sleep(0 if done else PRUNE_EVERY_MS / 1_000)


async def soak(database: str, address: str, seconds: float, retention_s: float) -> Soaked:
    """Measured once pruning keeps up with submitting, for so many seconds."""
    settings = Settings(database=address, retention_days=retention_s / DAY_S)
    async with open_engine(settings) as engine:
        load = Load(engine)
        until = time.perf_counter() + 2 * retention_s + seconds
        running = asyncio.create_task(load.run(lambda: time.perf_counter() > until))
        await asyncio.wait([running], timeout=2 * retention_s)
        fifths: list[Fifth] = []
        while not running.done() and len(fifths) < FIFTHS:
            fifths.append(await _fifth(load, running, seconds / FIFTHS, size_of(address)))
        await running
    return Soaked(database, fifths)


async def _fifth(load: Load, running: asyncio.Task[None], seconds: float, size: Size) -> Fifth:
    began, finished, cpu_s = time.perf_counter(), load.finished, time.process_time()
    await asyncio.wait([running], timeout=seconds)
    took, done = time.perf_counter() - began, load.finished - finished
    cpu_us = (time.process_time() - cpu_s) / max(1, done) * 1e6
    kept = load.submitted - load.pruned
    return Fifth(done / took, cpu_us, memory_mib(), await size(), kept)


def memory_mib() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def size_of(address: str) -> Size:
    """Tables with their indexes and what is dead in them, in MiB."""

    async def of_file() -> float:
        return Path(address.removeprefix("sqlite:///")).stat().st_size / 2**20

    async def of_tables() -> float:
        connection = await asyncpg.connect(address)
        try:
            found = "SELECT sum(pg_total_relation_size(each)) FROM unnest($1::regclass[]) each"
            return float(await connection.fetchval(found, list(TABLES))) / 2**20
        finally:
            await connection.close()

    return of_file if address.startswith("sqlite") else of_tables


@contextmanager
def database_for(database: str, folder: Path) -> Generator[str, None, None]:
    with postgres() if database == "postgresql" else nullcontext() as server:
        yield server.database() if server else f"sqlite:///{folder}/soak.db"


def run(
    databases: Sequence[str], seconds: float, retention_s: float, *, tell: bool = True
) -> list[Soaked]:
    """One database after the other."""
    results = []
    for database in databases:
        with (
            tempfile.TemporaryDirectory(prefix="procession-soak-") as folder,
            database_for(database, Path(folder)) as address,
        ):
            results.append(uvloop.run(soak(database, address, seconds, retention_s)))
        if tell:
            show(results[-1])
    return results


def show(soaked: Soaked) -> None:
    print(f"\n== {soaked.database}: last fifth at {soaked.speed:.0%} of the first ==")
    print("  per s   CPU us   memory MiB   tables MiB   processes kept")
    for one in soaked.fifths:
        print(
            f"{one.per_s:7,.0f} {one.cpu_us:8,.0f} {one.memory_mib:12,.0f}"
            f" {one.tables_mib:12,.0f} {one.processes:16,}"
        )
    for fault in soaked.faults():
        print(f"FAULT: {fault}")
    sys.stdout.flush()


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.soak", description=__doc__)
    parser.add_argument("--seconds", type=float, default=1_200.0, help="of all that is measured")
    parser.add_argument("--retention-s", type=float, default=30.0)
    parser.add_argument("--only", choices=DATABASES)
    parser.add_argument("--json", type=Path, metavar="FILE")
    given = parser.parse_args()
    databases = [given.only] if given.only else DATABASES
    results = run(databases, given.seconds / len(databases), given.retention_s)
    if given.json:
        given.json.write_bytes(msgspec.json.format(msgspec.json.encode(results)))
    return 1 if any(soaked.faults() for soaked in results) else 0


if __name__ == "__main__":
    sys.exit(main())
