"""Rows of a CSV file checked and applied, beside a bare loop over the csv module."""

from __future__ import annotations

import csv
import sqlite3
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import date
from itertools import islice
from pathlib import Path
from typing import Any

from bench.options import Options, Row, Table
from procession.jobs.csv_import.checking import Checker
from procession.jobs.csv_import.mapping import BATCH_ROWS, Column
from procession.jobs.csv_import.reading import CsvFile, how_written
from procession.jobs.targets.table import TableTarget
from procession.jobs.targets.target import Mark, Named

COUNT, COUNT_QUICK = 200_000, 5_000
COLUMNS = [
    Column("name", "name", required=True, max_chars=100),
    Column("code", "code", required=True),
    Column("seats", "seats", type="int"),
    Column("opened", "opened", type="date"),
    Column("latitude", "latitude", type="float"),
]
FIELDS = [column.field for column in COLUMNS]
TEXT = f"""\
A file of five columns (two texts, a whole number, a date, a number) into a table of SQLite in
batches of {BATCH_ROWS}, the same inserts for all; time is this process's CPU. `bare loop`: the csv
module, int, date and float of each column, no check and no mark. `applied`: each row read,
checked and applied with its mark. `with review`: the same after a first check of the whole
file, as an import does it. `of bare`: share of the bare loop."""


def csv_rows(options: Options) -> Table:
    """Every way once a round, in turn."""
    count = COUNT_QUICK if options.quick else COUNT
    values: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "rows.csv"
        written(file, count)
        for _ in range(options.rounds):
            for name, way in WAYS.items():
                values.setdefault(name, []).append(count / timed(way, file))
    bare = sum(values["bare loop"])
    return Table(
        "CSV rows",
        TEXT,
        [
            Row(name, "/s", each, {"of bare": f"{100 * sum(each) / bare:.0f} %"})
            for name, each in values.items()
        ],
    )


def written(file: Path, count: int) -> None:
    with file.open("w", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(FIELDS)
        for n in range(count):
            writer.writerow([f"Place {n}", f"c{n}", n % 90, f"2024-01-{n % 28 + 1:02}", n / 7])


def timed(way: Callable[[TableTarget, Path], int], file: Path) -> float:
    """Seconds of CPU for a whole file into a fresh table."""
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/own.db"
        with sqlite3.connect(path) as db:
            db.execute("PRAGMA journal_mode=WAL")
            db.execute("CREATE TABLE places (name, code, seats INTEGER, opened DATE, latitude)")
        db.close()
        target = TableTarget(Named(database=f"sqlite:///{path}", table="places"), "job")
        began_s = time.process_time()
        way(target, file)
        spent_s = time.process_time() - began_s
        target.close()
    return spent_s


def bare(target: TableTarget, file: Path) -> int:
    """The loop anybody would write first."""
    with file.open(newline="") as text:
        reader = csv.reader(text)
        next(reader)
        while rows := list(islice(reader, BATCH_ROWS)):
            target.insert(FIELDS, values(rows))
    return 0


def values(rows: list[list[str]]) -> list[Sequence[Any]]:
    names, codes, seats, opened, latitudes = zip(*rows, strict=True)
    days = list(map(date.fromisoformat, opened))
    return [names, codes, list(map(int, seats)), days, list(map(float, latitudes))]


def applied(target: TableTarget, file: Path) -> int:
    mark = target.mark(Mark())
    with CsvFile(file, how_written(file)) as opened:
        checker = Checker(COLUMNS, [], opened.columns, {})
        for batch in checker.checked(opened, BATCH_ROWS):
            mark = target.apply(mark, batch.upto, batch.fields, batch.columns)
    return mark.applied


def reviewed(target: TableTarget, file: Path) -> int:
    with CsvFile(file, how_written(file)) as opened:
        checker = Checker(COLUMNS, [], opened.columns, {})
        for _ in checker.checked(opened, BATCH_ROWS):
            pass
    return applied(target, file)


WAYS = {"bare loop": bare, "applied": applied, "with review": reviewed}
