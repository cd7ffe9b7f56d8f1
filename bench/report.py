"""Tables for people and JSON for programs."""

from __future__ import annotations

import os
import platform
import sqlite3
from pathlib import Path
from statistics import median

import msgspec

from bench.options import Row, Table


def machine() -> str:
    """One line that says what the numbers were measured on."""
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        "unknown processor",
    )
    return (
        f"{len(os.sched_getaffinity(0))} cores of {model}, load {os.getloadavg()[0]:.2f}, "
        f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}, "
        f"Linux {platform.release()}"
    )


def show(table: Table) -> str:
    """The table as text: median, least and most of the rounds, and the notes of each row."""
    if not table.rows:
        return f"\n== {table.title} ==\n{table.text}"
    heads = list(dict.fromkeys(head for row in table.rows for head in row.notes))
    lines = [["", "median", "min - max", "", *heads]]
    lines += [cells(row, heads) for row in table.rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    shown = ["  ".join(fitted(line, widths)).rstrip() for line in lines]
    return "\n".join([f"\n== {table.title} ==", table.text, "", *shown])


def cells(row: Row, heads: list[str]) -> list[str]:
    values = row.values
    return [
        row.name,
        number(median(values)),
        f"{number(min(values))} - {number(max(values))}" if len(values) > 1 else "",
        row.unit,
        *(row.notes.get(head, "") for head in heads),
    ]


def fitted(line: list[str], widths: list[int]) -> list[str]:
    first, *others = zip(line, widths, strict=True)
    return [first[0].ljust(first[1]), *(text.rjust(width) for text, width in others)]


def number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.2f}"


def save(file: Path, said: str, tables: list[Table]) -> None:
    """All tables, with the value of every round."""
    file.write_bytes(msgspec.json.format(msgspec.json.encode({"machine": said, "tables": tables})))
