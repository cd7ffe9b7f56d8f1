"""Two servers on one PostgreSQL against one."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from statistics import median

from bench.children import SERVER_CORE, Server
from bench.contenders import start_ours
from bench.load import need_wrk, post_round
from bench.options import Options, Row, Table
from bench.peers.stores import postgres
from bench.wanted import body_text

CONNECTIONS = 64
SPARE_CORE = 2

TEXT = """\
Submissions a second over HTTP, 64 connections in all, from as many wrk as servers. A second
server gains only where it has a core of its own beside those of the load and of PostgreSQL."""


def two_servers(options: Options) -> Table:
    need_wrk()
    folder = options.folder / "servers"
    folder.mkdir()
    file = folder / "body.json"
    file.write_text(body_text())
    values: dict[int, list[float]] = {1: [], 2: []}
    with postgres() as store, ExitStack() as stack:
        database = store.database()
        servers = []
        for number in range(2):
            own = folder / str(number)
            own.mkdir()
            core = SERVER_CORE if number == 0 else second_core()
            name = f"server {number + 1}"
            started = start_ours(own, database=database, name=name, core=core)
            servers.append(stack.enter_context(started))
        for number in range(options.rounds):
            for count, found in values.items():
                prefix = f"{number}-{count}"
                found.append(loaded(servers[:count], file, prefix, options.seconds))
    ratios = [two / one for one, two in zip(values[1], values[2], strict=True)]
    cores = len(os.sched_getaffinity(0))
    held = "" if cores > SPARE_CORE + 1 else f"{cores} cores hold servers, load and PostgreSQL"
    notes = {"two against one": f"{median(ratios):.2f} x", "": held}
    one, two = Row("one server", "/s", values[1]), Row("two servers", "/s", values[2], notes)
    return Table("Two servers against one", TEXT, [one, two])


def second_core() -> int:
    return SPARE_CORE if SPARE_CORE in os.sched_getaffinity(0) else SERVER_CORE


def loaded(servers: Sequence[Server], file: Path, prefix: str, s: float) -> float:
    """The rates of all of them together."""
    share = CONNECTIONS // len(servers)
    with ThreadPoolExecutor(len(servers)) as pool:
        waiting = [
            pool.submit(
                post_round, server, file, prefix=f"{prefix}-{number}-", connections=share, s=s
            )
            for number, server in enumerate(servers)
        ]
        return sum(each.result().per_s for each in waiting)
