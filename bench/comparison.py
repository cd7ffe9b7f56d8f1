"""Submissions and reads over HTTP: ours, the constant server and the naive one, round by round."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from statistics import median

from bench.children import Server
from bench.contenders import CONSTANT, NAIVE, OURS, alone, call, three_servers
from bench.load import Round, get_round, need_wrk, post_round
from bench.options import Options, Row, Table
from bench.wanted import body, body_text

CONNECTIONS, CONNECTIONS_QUICK = (1, 16, 64), (16,)
READABLE, READABLE_QUICK = 1_000, 50
WARMUP_S = 1.0

Load = Callable[[Server, int, float], Round]

SUBMISSIONS = """\
POST /capability-requests/enqueue, about 1 KB, every request_id new; answered after the commit.
Servers on one core, wrk on another; while one is measured the others are stopped (SIGSTOP).
constant: the same stack (uvicorn, httptools, uvloop, plain ASGI, msgspec) reads and validates the
same body and repeats our answer; no token, no disk. naive: FastAPI, SQLAlchemy 2 async, aiosqlite,
a transaction a request, no token, no callbacks. Callbacks of ours go to a closed port: the rows
are written and the host, being silent, is tried once a rest, as a receiver that is down."""

READS = """\
GET /processes/{id} over 1,000 waiting processes in turn; the same three servers."""


def submissions(options: Options) -> Table:
    need_wrk()
    folder = options.folder / "submissions"
    folder.mkdir()
    file = folder / "body.json"
    file.write_text(body_text())
    used = iter(range(1_000_000))

    def load(server: Server, connections: int, s: float) -> Round:
        prefix = f"{next(used)}-"
        return post_round(server, file, prefix=prefix, connections=connections, s=s)

    with three_servers(folder) as servers:
        return Table("Submissions", SUBMISSIONS, compare(servers, load, options))


def reads(options: Options) -> Table:
    need_wrk()
    folder = options.folder / "reads"
    folder.mkdir()
    with three_servers(folder) as servers:
        count = READABLE_QUICK if options.quick else READABLE
        files = {name: readable(server, folder, count) for name, server in servers.items()}

        def load(server: Server, connections: int, s: float) -> Round:
            return get_round(server, files[server.name], connections=connections, s=s)

        return Table("Reads by id", READS, compare(servers, load, options))


def readable(server: Server, folder: Path, count: int) -> Path:
    """A file of the ids of processes this server has just accepted."""
    answers = [
        json_id(call(server, "/capability-requests/enqueue", body(f"read-{number}")))
        for number in range(count)
    ]
    file = folder / f"{server.name}.ids"
    file.write_text("\n".join(answers) + "\n")
    return file


def json_id(answer: str) -> str:
    """The process_id of an answer to a submission."""

    process_id: str = json.loads(answer)["process_id"]
    return process_id


def compare(servers: dict[str, Server], load: Load, options: Options) -> list[Row]:
    """Every server at every number of connections, once a round, in turn."""
    rounds: dict[tuple[int, str], list[Round]] = {}
    for number in range(options.rounds):
        for connections in CONNECTIONS_QUICK if options.quick else CONNECTIONS:
            for name, server in servers.items():
                with alone(server, servers):
                    if number == 0 and not options.quick:
                        load(server, connections, WARMUP_S)
                    measured = load(server, connections, options.seconds)
                rounds.setdefault((connections, name), []).append(measured)
    return [row(connections, name, rounds) for connections, name in sorted(rounds, key=order)]


def order(key: tuple[int, str]) -> tuple[int, int]:
    return key[0], [OURS, CONSTANT, NAIVE].index(key[1])


def row(connections: int, name: str, rounds: dict[tuple[int, str], list[Round]]) -> Row:
    own = rounds[connections, name]
    ours = rounds[connections, OURS]
    ratios = [one.per_s / other.per_s for one, other in zip(ours, own, strict=True)]
    notes = {
        "p50 ms": f"{median(one.p50_ms for one in own):.2f}",
        "p99 ms": f"{median(one.p99_ms for one in own):.2f}",
        "CPU us": f"{median(one.cpu_us for one in own):.0f}",
        "ours is": "" if name == OURS else f"{median(ratios):.2f} x",
    }
    return Row(f"{connections:>2} connections, {name}", "/s", [one.per_s for one in own], notes)
