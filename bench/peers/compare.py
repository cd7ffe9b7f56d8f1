"""The same durable work through ours and through its peers, round by round, in turn."""

from __future__ import annotations

import shutil
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any, Literal

from msgspec import Struct

from bench.children import BenchFailed
from bench.options import Options, Row, Table
from bench.peers import environment, http
from bench.peers.stores import Postgres, Redis, postgres, redis

LEDGER, HTTP = "ledger alone", "full HTTP API"
FSYNC = "always"
PHONES = 200
STUCK, STUCK_QUICK = 40_000, 400
COUNT, COUNT_QUICK = 10_000, 400
SENT, SENT_QUICK = 300, 20
CALLERS = 64
CAP_S = 15.0
ROUNDS_HEAVY = 1
QUICK_HTTP = ("callers", "latency")
"""To see that the whole server can be measured, these are enough."""
WATCH_S, SETTLE_S = 90.0, 3.0


class Column(Struct, frozen=True):
    """One thing that is measured of everybody; `verb` is what the programs call it."""

    title: str
    text: str
    verb: str
    options: dict[str, Any]
    ours: tuple[str, ...] = (LEDGER, HTTP)
    value: Literal["per_s", "p50_ms"] = "per_s"
    on_redis: bool = True
    heavy: bool = False


def columns(options: Options) -> list[Column]:
    """All; a quick run takes the few that use everything once."""
    count = COUNT_QUICK if options.quick else COUNT
    phones = [f"phone{number:03d}" for number in range(PHONES)]
    stuck = STUCK_QUICK if options.quick else STUCK
    found = [
        Column(
            "Enqueue one at a time",
            "One caller, each answered after the commit.",
            "one",
            {"seconds": options.seconds},
        ),
        Column(
            f"Enqueue from {CALLERS} callers",
            f"{CALLERS} at once, each request by itself; HTTP: wrk with as many connections.",
            "callers",
            {"seconds": options.seconds, "callers": CALLERS},
        ),
        Column(
            f"Enqueue {count:,} in bulk",
            "The bulk call of each. Ours: as many requests of their own, and one request of as"
            " many items.",
            "bulk",
            {"count": count},
            ours=(LEDGER, f"{LEDGER}, one request"),
        ),
        Column(
            f"Drain {count:,} no-ops",
            "One worker process; from the first start to the last acknowledgement in the store,"
            f" cut off after {CAP_S:.0f} s.",
            "drain",
            {"count": count, "s_max": CAP_S},
        ),
        Column(
            "From enqueueing to the start",
            "50 a second, an idle worker in a process of its own (ledger alone: in the same).",
            "latency",
            {"count": SENT_QUICK if options.quick else SENT},
            value="p50_ms",
        ),
        Column(
            f"{count:,} no-ops over {PHONES} phones, one at a time on each",
            "One worker; peers by the recipe named.",
            "drain",
            {"count": count, "phones": phones, "s_max": CAP_S},
        ),
        Column(
            f"The same with {stuck:,} more behind two busy phones",
            "Of those, none can run; the rate is that of the others.",
            "drain",
            {"count": count, "phones": phones, "stuck": stuck, "s_max": CAP_S},
            ours=(LEDGER,),
            heavy=True,
        ),
    ]
    return [found[1], found[2], found[-1]] if options.quick else found


class Field:
    """Who takes part, and what they keep their jobs in."""

    def __init__(self, folder: Path, store: Postgres, broker: Redis | None) -> None:
        self.folder = folder
        self.store = store
        self.broker = broker
        self.about = environment.installed()
        if broker is None:
            self.about = {k: v for k, v in self.about.items() if k not in environment.ON_REDIS}
        self._runs = 0

    def run(self, name: str, column: Column) -> dict[str, Any]:
        """One measurement on a fresh database."""
        self._runs += 1
        kept_by = self.broker if name in environment.ON_REDIS else self.store
        assert kept_by is not None
        address = kept_by.database()
        seen = str(self.folder / f"seen{self._runs}")
        options = {**column.options, "address": address, "seen": seen, "settle_s": SETTLE_S}
        try:
            if name == LEDGER:
                return environment.ledger(column.verb, options)
            if name == HTTP:
                return http.measure(column.verb, options, self.folder / f"http{self._runs}")
            if name.startswith(LEDGER):
                return environment.ledger("fan_out", options)
            return environment.peer(name, column.verb, options)
        finally:
            if kept_by is self.store:
                self.store.drop(address)


@contextmanager
def field(options: Options) -> Generator[Field, None, None]:
    folder = options.folder / "peers"
    folder.mkdir(exist_ok=True)
    with postgres() as store:
        if shutil.which("redis-server") is None:
            yield Field(folder, store, None)
        else:
            with redis(FSYNC) as broker:
                yield Field(folder, store, broker)


def peers(options: Options) -> Iterator[Table]:
    """Who takes part, then a table a column."""
    with field(options) as taking_part:
        yield who(taking_part)
        for column in columns(options):
            yield measured(taking_part, column, options)


def who(taking_part: Field) -> Table:
    about = taking_part.about
    missing = [name for name in environment.NAMES if name not in about]
    lines = [f"{name} {each['version']}: {each['recipe']}" for name, each in about.items()]
    lines += [f"{name}: not installed (make bench-peers)" for name in missing]
    lines.append(f"PostgreSQL {taking_part.store.version}: fsync, synchronous_commit on")
    if taking_part.broker is not None:
        lines.append(f"Redis {taking_part.broker.version}: appendonly, appendfsync {FSYNC}")
    return Table("Peers", "\n".join(lines), [])


def measured(taking_part: Field, column: Column, options: Options) -> Table:
    """Everybody once a round, in turn; ratios are those within each round."""
    ours = [name for name in column.ours if name != HTTP or column.verb in QUICK_HTTP]
    names = [*(ours if options.quick else column.ours), *taking_part.about]
    results: dict[str, list[dict[str, Any]]] = {name: [] for name in names}
    failed: dict[str, str] = {}
    for _ in range(ROUNDS_HEAVY if column.heavy else options.rounds):
        for name in names:
            if name in failed:
                continue
            try:
                results[name].append(taking_part.run(name, column))
            except BenchFailed as failure:
                if name in column.ours:
                    raise
                failed[name] = str(failure).splitlines()[-1]
    text = "\n".join([column.text, *(f"{name} failed: {why}" for name, why in failed.items())])
    return Table(column.title, text, rows(column, {k: v for k, v in results.items() if v}))


def rows(column: Column, results: dict[str, list[dict[str, Any]]]) -> list[Row]:
    """One each; `against the best` compares with the best peer of the same round."""
    own = {name: [each[column.value] for each in runs] for name, runs in results.items()}
    others = [values for name, values in own.items() if name not in column.ours]
    higher = column.value == "per_s"
    best = [(max if higher else min)(values) for values in zip(*others, strict=False)]
    found = []
    for name, values in own.items():
        notes = notes_of(column, results[name])
        if name in column.ours and best:
            pairs = zip(values, best, strict=False)
            ratios = [one / other if higher else other / one for one, other in pairs]
            notes["against the best peer"] = f"{median(ratios):.2f} x"
        found.append(Row(name, "/s" if higher else "ms p50", values, notes))
    return found


def notes_of(column: Column, runs: list[dict[str, Any]]) -> dict[str, str]:
    notes = {}
    if column.value == "p50_ms":
        notes["p99 ms"] = f"{median(run['p99_ms'] for run in runs):.1f}"
    if overlaps := sum(run.get("overlaps", 0) for run in runs):
        notes["two at once on a phone"] = str(overlaps)
    wanted = column.options.get("count", 0)
    finished = min(run.get("finished", wanted) for run in runs)
    if finished < wanted:
        notes["finished"] = f"{finished:,} in {CAP_S:.0f} s"
    return notes


def crash(options: Options) -> Table:
    """Every peer at once, since each does nothing but wait."""
    seconds = 30.0 if options.quick else WATCH_S
    column = Column("", "", "crash", {"s_max": seconds})
    with field(options) as taking_part, ThreadPoolExecutor() as pool:
        names = list(taking_part.about)
        if taking_part.broker is not None:
            # Redis has one database for all of them: one of its peers at a time.
            names = [name for name in names if name not in environment.ON_REDIS]
            later = [name for name in taking_part.about if name in environment.ON_REDIS]
        else:
            later = []
        waiting = {name: pool.submit(taking_part.run, name, column) for name in names}
        ours = http.crash(taking_part.store.database(), options.folder / "crash", seconds)
        results = {HTTP: ours} | {name: each.result() for name, each in waiting.items()}
        results |= {name: taking_part.run(name, column) for name in later}
    return Table("Work again after SIGKILL of its worker", CRASH, crash_rows(results, seconds))


CRASH = """\
Two workers, an endless run on each; one worker is killed with SIGKILL. Seconds until its work
runs again on the other, each by its own settings for that (ours: a lease of 15 s), and whether
the healthy long run was started a second time meanwhile."""


def crash_rows(results: dict[str, dict[str, Any]], seconds: float) -> list[Row]:
    found = []
    for name, result in results.items():
        again = result["again_s"]
        twice = "yes" if result["healthy_run_twice"] else "no"
        notes = {"healthy run twice": twice}
        if again is None:
            notes["again"] = f"not within {seconds:.0f} s"
        found.append(Row(name, "s", [seconds if again is None else again], notes))
    return found
