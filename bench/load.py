"""Load over real HTTP: wrk on its own core, with every answer's status looked at."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import msgspec
from msgspec import Struct

from bench.children import LOAD_CORE, BenchFailed, Server, pinned
from bench.wanted import TOKEN

HERE = Path(__file__).parent
END_S_MAX = 30


class Said(Struct):
    """What wrk counted in one run. `refused`: statuses of 400 and more."""

    requests: int
    duration_us: int
    refused: int
    broken: int
    p50_us: int
    p99_us: int


class Round(Struct):
    """One server under load for some seconds."""

    requests: int
    per_s: float
    cpu_us: float
    """CPU time of the server's process for one request."""
    p50_ms: float
    p99_ms: float


def need_wrk() -> None:
    """Raises BenchFailed when the load generator is missing."""
    if shutil.which("wrk") is None:
        raise BenchFailed("wrk is missing: run scripts/system-deps, which installs it")


def post_round(server: Server, body: Path, *, prefix: str, connections: int, s: float) -> Round:
    """Submissions with request ids that start with `prefix`, which nobody used before."""
    arguments = [f"{server.url}/capability-requests/enqueue", "--", prefix, TOKEN, str(body)]
    return _round(server, "post.lua", arguments, connections, s)


def get_round(server: Server, ids: Path, *, connections: int, s: float) -> Round:
    """Reads of the processes whose ids the file lists, a line each."""
    return _round(server, "get.lua", [server.url, "--", str(ids), TOKEN], connections, s)


def _round(server: Server, script: str, arguments: list[str], connections: int, s: float) -> Round:
    cpu_s = server.cpu_s()
    said = _wrk(script, arguments, connections, s)
    cpu_s = server.cpu_s() - cpu_s
    server.check()
    if said.refused or said.broken or not said.requests:
        raise BenchFailed(f"{server.name}: {said}")
    return Round(
        requests=said.requests,
        per_s=said.requests / said.duration_us * 1e6,
        cpu_us=cpu_s / said.requests * 1e6,
        p50_ms=said.p50_us / 1e3,
        p99_ms=said.p99_us / 1e3,
    )


def _wrk(script: str, arguments: list[str], connections: int, s: float) -> Said:
    command = ["wrk", "-t", "1", "-c", str(connections), "-d", f"{max(round(s), 1)}s"]
    command += ["--timeout", "10s", "-s", str(HERE / script), *arguments]
    done = subprocess.run(
        pinned(command, LOAD_CORE),
        capture_output=True,
        text=True,
        timeout=s + END_S_MAX,
        check=False,
    )
    for line in done.stdout.splitlines():
        if line.startswith("JSON "):
            return msgspec.json.decode(line[5:], type=Said)
    raise BenchFailed(f"wrk said no result: {done.stdout} {done.stderr}")
