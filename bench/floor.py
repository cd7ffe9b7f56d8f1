"""The floor: how near the ledger comes to the raw driver writing the same rows."""

from __future__ import annotations

from statistics import median

from bench.bulk_writing import COUNT, COUNT_QUICK, WAYS, written
from bench.options import Options, Row, Table
from bench.peers.environment import ledger
from bench.peers.stores import postgres
from procession.store.ledger import BATCH_MAX

TEXT = f"""\
Submissions a second. Raw driver: asyncpg writes the same rows into the same tables, by unnest,
{BATCH_MAX} submissions a transaction, rows made beforehand, nothing checked or answered. Ledger
alone: operations, decisions and turns in one process, as many requests from many callers."""


def floor(options: Options) -> Table:
    count = COUNT_QUICK if options.quick else COUNT
    raw, ours = [], []
    with postgres() as store:
        for _ in range(options.rounds):
            raw.append(written(store.database(), WAYS["unnest"], count))
            found = ledger("bulk", {"address": store.database(), "count": count})
            ours.append(float(found["per_s"]))
    share = median(one / other for one, other in zip(ours, raw, strict=True))
    return Table(
        "Against the floor",
        TEXT,
        [
            Row("raw driver", "/s", raw),
            Row("ledger alone", "/s", ours, {"of the floor": f"{share:.0%}"}),
        ],
    )
