"""A process on a terminal: one bar that moves; in a pipe: one line for each change."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from procession.commands.outcome import say
from procession.commands.record import FINAL, line_of, percent_of, state_of


@contextmanager
def shown_to_people() -> Iterator[Callable[[dict[str, Any]], None]]:
    """A function that shows a record and, at the end, leaves its last line."""
    console = Console()
    if not console.is_terminal:
        yield _lines()
        return
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[says]}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, transient=True) as bar:
        yield _bar(bar, console)


def _lines() -> Callable[[dict[str, Any]], None]:
    last = ""

    def show(record: dict[str, Any]) -> None:
        nonlocal last
        line = line_of(record)
        if line != last:
            say(line)
        last = line

    return show


def _bar(bar: Progress, console: Console) -> Callable[[dict[str, Any]], None]:
    task = bar.add_task("", total=None, says="")

    def show(record: dict[str, Any]) -> None:
        percent = percent_of(record)
        says = record["partial_progress"].get("message") or ""
        bar.update(
            task,
            description=f"{record['process_type']} {escape(state_of(record))}",
            total=None if percent is None else 100.0,
            completed=percent or 0.0,
            says=escape(says),
        )
        if record["status"] in FINAL:
            console.print(line_of(record), markup=False, highlight=False)

    return show
