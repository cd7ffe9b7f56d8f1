"""Open streams with one update a second each: ours against a bare Starlette event stream."""

from __future__ import annotations

import asyncio
import json
import resource
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import uvloop

from bench.children import Server, free_port, uvicorn
from bench.contenders import start_ours
from bench.options import Options, Row, Table
from bench.wanted import TOKEN

COUNTS, COUNTS_QUICK = (1_000, 5_000), (50,)
PER_JOB_MAX = 1_000
"""So many jobs at most; beyond, several streams watch each."""
LANES = 500
PERIOD_S = 1.0
SETTLE_S = 3.0
OPENING_AT_ONCE = 100
DONE_S_MAX = 60.0
FILES_MAX = 20_000
JOB = "bench"

TEXT = """\
Each stream is sent one update a second for 10 seconds. Ours: 1,000 running jobs (of 5,000 streams
five watch each), whose worker reports progress in batches; every report is committed, read again
and encoded as the full state of the workspace API. Starlette: StreamingResponse, a generator a
stream that sleeps a second and sends a constant of the same size: no database, no token.
Latency: from the worker's report (Starlette: the write) to the client's read. Server on one core,
the clients and the worker on the other. Wanted at 1,000: p99 under 250 ms, under 25 KiB each."""


class Told(NamedTuple):
    """What the clients of one server saw."""

    messages: int
    p50_ms: float
    p99_ms: float
    seconds: float


def streams(options: Options) -> Table:
    _allow_many_files()
    rows = []
    seconds = 3.0 if options.quick else 10.0
    for count in COUNTS_QUICK if options.quick else COUNTS:
        folder = options.folder / f"streams-{count}"
        folder.mkdir()
        with start_ours(folder) as ours:
            ours_row = measure(ours, f"procession, {count:,} streams", count, seconds, _ours)
        with start_bare(folder) as bare:
            bare_row = measure(bare, f"starlette, {count:,} streams", count, seconds, _bare)
        ours_row.notes["rate of it"] = f"{ours_row.values[0] / bare_row.values[0]:.2f} x"
        rows += [ours_row, bare_row]
    return Table("Streams", TEXT, rows)


def start_bare(folder: Path) -> Server:
    port = free_port()
    return Server("starlette", uvicorn("bench.bare_streams:app", folder, port), folder, port)


Load = Callable[[Server, int, float, Callable[[], None]], Awaitable[Told]]


def measure(server: Server, name: str, count: int, seconds: float, load: Load) -> Row:
    """One server under so many streams; memory and CPU are counted once all are open."""
    before_mib = server.rss_mib()
    marks: dict[str, float] = {}

    def opened() -> None:
        marks["mib"], marks["cpu_s"] = server.rss_mib(), server.cpu_s()

    told = uvloop.run(load(server, count, seconds, opened))
    server.check()
    cpu_us = (server.cpu_s() - marks["cpu_s"]) / max(told.messages, 1) * 1e6
    notes = {
        "p50 ms": f"{told.p50_ms:.0f}",
        "p99 ms": f"{told.p99_ms:.0f}",
        "CPU us": f"{cpu_us:.0f}",
        "KiB a stream": f"{(marks['mib'] - before_mib) * 1024 / count:.1f}",
        "rate of it": "",
    }
    return Row(name, "messages/s", [told.messages / told.seconds], notes)


async def _ours(server: Server, count: int, seconds: float, opened: Callable[[], None]) -> Told:
    worker = Worker(server)
    jobs = await worker.begin(min(count, PER_JOB_MAX))
    paths = [f"/api/processes/{jobs[n % len(jobs)]}/stream" for n in range(count)]
    readers = Readers(server)
    await readers.open(paths)
    await asyncio.sleep(SETTLE_S)
    opened()
    reporting = asyncio.create_task(worker.report_for(seconds))
    told = await readers.read_for(seconds)
    await reporting
    await worker.end()
    await readers.close()
    return told


async def _bare(server: Server, count: int, seconds: float, opened: Callable[[], None]) -> Told:
    readers = Readers(server)
    await readers.open(["/stream"] * count)
    opened()
    told = await readers.read_for(seconds)
    await readers.close()
    return told


class Readers:
    """Clients that read streams and note when each update came."""

    def __init__(self, server: Server) -> None:
        self._port = server.port
        self._streams: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []
        self._ends_s = 0.0
        self._began_s = 0.0
        self._late_ms: list[float] = []

    async def open(self, paths: list[str]) -> None:
        gate = asyncio.Semaphore(OPENING_AT_ONCE)

        async def one(path: str) -> None:
            async with gate:
                reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
                head = (
                    f"GET {path} HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {TOKEN}\r\n\r\n"
                )
                writer.write(head.encode())
                status = await reader.readline()
                assert b" 200 " in status, status
                self._streams.append((reader, writer))

        await asyncio.gather(*(one(path) for path in paths))

    async def read_for(self, seconds: float) -> Told:
        self._began_s = time.time()
        self._ends_s = self._began_s + seconds
        tasks = [asyncio.create_task(self._read(reader)) for reader, _ in self._streams]
        await asyncio.sleep(seconds)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        late = sorted(self._late_ms) or [float("nan")]
        p99 = late[int(len(late) * 0.99)]
        return Told(len(self._late_ms), median(late), p99, seconds)

    async def _read(self, reader: asyncio.StreamReader) -> None:
        """An update names the moment it was made as `at <seconds since 1970>`."""
        while line := await reader.readline():
            if line.startswith(b"data: ") and (at := line.find(b'"at ')) > 0:
                made_s = float(line[at + 4 : line.index(b'"', at + 4)])
                if made_s >= self._began_s:
                    self._late_ms.append((time.time() - made_s) * 1_000)

    async def close(self) -> None:
        for _, writer in self._streams:
            writer.close()


class Worker:
    """Workers whose lanes all run a job; each is played by this process."""

    def __init__(self, server: Server) -> None:
        self._port = server.port
        self._items: dict[str, list[dict[str, Any]]] = {}

    async def begin(self, count: int) -> list[int]:
        """So many running jobs; their ids."""
        names = [f"w{n}" for n in range((count + LANES - 1) // LANES)]
        for name in names:
            lanes = [
                {"phone_id": f"{name}/job-{n}", "job_types": [{"name": JOB}]} for n in range(LANES)
            ]
            about = {"protocol": 1, "version": "0", "capabilities": [], "phones": lanes}
            await self._say(name, "register", **about)
        ids = []
        for _ in range(count):
            ids.append((await self._call("/api/processes", {"type": JOB}))["id"])
        for name in names:
            lanes = [f"{name}/job-{n}" for n in range(LANES)]
            found = (await self._say(name, "claim", phones=lanes, wait_ms=1_000))["items"]
            self._items[name] = found
        assert sum(map(len, self._items.values())) == count
        return ids

    async def report_for(self, seconds: float) -> None:
        ends_s = time.monotonic() + seconds
        while (now_s := time.monotonic()) < ends_s:
            for name, items in self._items.items():
                message = f"at {time.time():.6f}"
                runs = [fence(item) | {"percent": 1.0, "message": message} for item in items]
                await self._say(name, "report", runs=runs)
            await asyncio.sleep(max(0.0, PERIOD_S - (time.monotonic() - now_s)))

    async def end(self) -> None:
        for name, items in self._items.items():
            results = [fence(item) | {"outcome": "completed"} for item in items]
            await self._say(name, "finish", results=results)

    async def _say(self, name: str, verb: str, **message: Any) -> Any:
        return await self._call(f"/worker/v1/{verb}", {"agent_id": name} | message)

    async def _call(self, path: str, message: Any) -> Any:
        body = json.dumps(message).encode()
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        head = f"POST {path} HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {TOKEN}\r\n"
        head += f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        writer.write(head.encode() + body)
        said = await asyncio.wait_for(reader.read(), DONE_S_MAX)
        writer.close()
        first, _, answer = said.partition(b"\r\n\r\n")
        assert b" 20" in first[:16], said[:300]
        return json.loads(answer)


def fence(item: dict[str, Any]) -> dict[str, Any]:
    return {"item_id": item["item_id"], "attempt": item["attempt"]}


def _allow_many_files() -> None:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = FILES_MAX if most == resource.RLIM_INFINITY else min(FILES_MAX, most)
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, most))
