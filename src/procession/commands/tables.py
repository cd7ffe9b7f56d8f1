"""Tables for people."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

COLUMNS_IN_PIPE = 1_000


def show_table(titles: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Print rows under titles; in a pipe no cell is cut short."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=COLUMNS_IN_PIPE, no_color=True)
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for title in titles:
        table.add_column(title, overflow="fold")
    for row in rows:
        table.add_row(*(cell_text(cell) for cell in row))
    console.print(table, markup=False)


def cell_text(value: Any) -> str:
    """A value in a cell: nothing for None, a list by comma, an object by name."""
    if value is None:
        return ""
    if isinstance(value, list):
        return ", ".join(map(str, value))
    if isinstance(value, dict):
        return "  ".join(f"{name}={inner}" for name, inner in value.items())
    return str(value)
