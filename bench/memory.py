"""The server's memory while processes gather in its database."""

from __future__ import annotations

from bench.contenders import start_ours
from bench.load import need_wrk, post_round
from bench.options import Options, Row, Table
from bench.wanted import body_text

COUNTS = (10_000, 50_000, 100_000)
COUNTS_QUICK = (1_000, 2_000)
MILLION = 1_000_000
CONNECTIONS = 64
BURST_S_MAX = 10
LIMIT_MIB = 150

TEXT = f"""\
Resident memory (VmRSS) of the server after so many submissions over 64 connections, all kept and
all waiting. Growth with the number of processes would be a leak: they live in the database.
Wanted: under {LIMIT_MIB} MiB after a million (`--million`)."""


def memory(options: Options) -> Table:
    need_wrk()
    folder = options.folder / "memory"
    folder.mkdir()
    file = folder / "body.json"
    file.write_text(body_text())
    counts = COUNTS_QUICK if options.quick else COUNTS
    if options.million:
        counts = (*counts, MILLION)
    done, per_s = 0, 0.0
    with start_ours(folder) as ours:
        rows = [Row("before the first", "MiB", [ours.rss_mib()])]
        for count in counts:
            while done < count:
                s = min(BURST_S_MAX, max(1.0, (count - done) / (per_s or count)))
                burst = post_round(ours, file, prefix=f"{done}-", connections=CONNECTIONS, s=s)
                done, per_s = done + burst.requests, burst.per_s
            rate = {"processes": f"{done:,}", "last rate /s": f"{per_s:,.0f}"}
            rows.append(Row(f"after {count:,}", "MiB", [ours.rss_mib()], rate))
    return Table("Memory", TEXT, rows)
