"""`python -m bench`: measures speed and memory and prints tables. See bench/README.md."""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from bench import report
from bench.bulk_writing import bulk_writing
from bench.children import BenchFailed
from bench.claims import claims
from bench.comparison import reads, submissions
from bench.csv_rows import csv_rows
from bench.endtoend import drain, latency
from bench.floor import floor
from bench.lists import lists
from bench.memory import memory
from bench.options import Options, Table
from bench.peers.compare import crash, peers
from bench.peers.several import two_servers
from bench.streams import streams
from bench.tracked import tracked
from bench.work import fan_out, protocol

PARTS: dict[str, Callable[[Options], Table | Iterator[Table]]] = {
    "submissions": submissions,
    "reads": reads,
    "drain": drain,
    "protocol": protocol,
    "latency": latency,
    "fan-out": fan_out,
    "memory": memory,
    "peers": peers,
    "crash": crash,
    "floor": floor,
    "bulk-writing": bulk_writing,
    "servers": two_servers,
    "lists": lists,
    "tracked": tracked,
    "claims": claims,
    "streams": streams,
    "csv-rows": csv_rows,
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--rounds", type=int, help="rounds of each comparison (5; quick: 1)")
    parser.add_argument("--seconds", type=float, help="length of one load (3; quick: 1)")
    parser.add_argument("--only", default="", help="parts, comma-separated: " + ", ".join(PARTS))
    parser.add_argument("--quick", action="store_true", help="see that it works, in little time")
    parser.add_argument("--million", action="store_true", help="memory after a million processes")
    parser.add_argument("--rows", type=int, default=0, help="processes to list (5,000,000)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write all values there")
    given = parser.parse_args()
    parts = [name for name in given.only.split(",") if name] or list(PARTS)
    if unknown := set(parts) - set(PARTS):
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    # So that what was started is ended by whoever started it, whichever way this ends.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        run(given, parts)
    except BenchFailed as failure:
        print(f"bench: {failure}", file=sys.stderr)
        return 1
    return 0


def run(given: argparse.Namespace, parts: list[str]) -> None:
    said = report.machine()
    print(said, flush=True)
    tables = []
    with tempfile.TemporaryDirectory(prefix="procession-bench-") as folder:
        options = Options(
            rounds=given.rounds or (1 if given.quick else 5),
            seconds=given.seconds or (1 if given.quick else 3),
            quick=given.quick,
            million=given.million,
            folder=Path(folder),
            rows=given.rows,
        )
        for name in parts:
            found = PARTS[name](options)
            for table in [found] if isinstance(found, Table) else found:
                tables.append(table)
                print(report.show(table), flush=True)
    if given.json:
        report.save(given.json, said, tables)


if __name__ == "__main__":
    sys.exit(main())
