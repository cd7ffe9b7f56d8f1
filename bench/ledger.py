"""The ledger alone: submissions in one process, without HTTP; `--profile` says where time goes.

`python -m bench.ledger [--seconds N] [--callers N] [--profile]`
"""

from __future__ import annotations

import argparse
import asyncio
import cProfile
import pstats
import tempfile
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import uvloop
from msgspec import Raw

from procession import clock
from procession.core import lifecycle
from procession.core.process import Change, Item, Process, Request, item_id_of
from procession.store.claiming import QUEUE_ANY
from procession.store.connection import Topic
from procession.store.ledger import Ledger, ThreadWriter, ended
from procession.store.migrate import migrate
from procession.store.sqlite import SqliteConnection
from procession.store.store import Store

INPUTS = Raw(b'{"text":"' + b"x" * 500 + b'"}')


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--callers", type=int, default=64)
    parser.add_argument("--profile", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="procession-bench-") as folder:
        uvloop.run(measure(Path(folder) / "ledger.db", options))


async def measure(path: Path, options: argparse.Namespace) -> None:
    """Submit for the given time from that many callers; print the rate and the costs."""
    store = Store(SqliteConnection(str(path)))
    ended(migrate(store.connection, clock.now_ms()))  # type: ignore[arg-type]
    profiles = Profiles() if options.profile else None
    writer = ThreadWriter(store, clock.now_ms)
    turns = Turns()
    ledger = Ledger(writer, turns.saved)
    began, used = time.perf_counter(), time.process_time()
    if profiles:
        profiles.start()
    until = began + options.seconds
    counts = await asyncio.gather(*(caller(ledger, until) for _ in range(options.callers)))
    if profiles:
        profiles.stop()
    took, cpu = time.perf_counter() - began, time.process_time() - used
    await ledger.close()
    total = sum(counts)
    print(
        f"{total / took:,.0f} submissions/s from {options.callers} callers, "
        f"{total / max(turns.count, 1):.1f} a turn, {cpu / total * 1e6:.1f} us of CPU each"
    )
    if profiles:
        profiles.show()


class Turns:
    """Counts the turns the ledger says it saved."""

    def __init__(self) -> None:
        self.count = 0

    def saved(self, _: Iterable[Topic]) -> None:
        self.count += 1


class Profiles:
    """cProfile of the event loop's thread and of the writer's."""

    def __init__(self) -> None:
        self._loop = cProfile.Profile()
        self._writer = cProfile.Profile()

    def start(self) -> None:
        self._loop.enable()

    def stop(self) -> None:
        self._loop.disable()

    def show(self) -> None:
        pstats.Stats(self._loop).sort_stats("tottime").print_stats(25)


async def caller(ledger: Ledger, until: float) -> int:
    """One caller that submits, awaits its answer and submits again; how many were saved."""
    count = 0
    while time.perf_counter() < until:
        process, make = submission()
        submitted = await ledger.submit(process, make)
        assert not submitted.duplicate
        count += 1
    return count


def submission() -> tuple[Process, Any]:
    """A process as the server makes it for an `echo` request with a callback."""
    now_ms = clock.now_ms()
    process_id = clock.new_id(now_ms)
    process = Process(
        process_id=process_id,
        tenant_id=1,
        namespace="default",
        process_type="echo",
        system="bench",
        request_id=process_id,
        created_ms=now_ms,
        request=Request(
            face="execution",
            inputs=INPUTS,
            requested_by=Raw(b'{"system":"bench","user":"bench@example.com","metadata":{}}'),
            target=Raw(b'{"routing":"queue"}'),
            callback_url="http://127.0.0.1:65431/updates",
            callback_metadata=Raw(b'{"environment":"bench"}'),
            fingerprint="0" * 64,
            attempts_max=3,
            time_limit_ms=60_000,
            on_interrupted="retry",
        ),
    )

    def make(at_ms: int) -> Sequence[Change]:
        accepted = lifecycle.accept(process, at_ms)
        item = Item(
            item_id=item_id_of(process_id, 0),
            process_id=process_id,
            tenant_id=1,
            capability="echo",
            queue=QUEUE_ANY,
            attempts_max=3,
        )
        return [accepted, lifecycle.plan(accepted.process, [item], at_ms)]

    return process, make


if __name__ == "__main__":
    main()
