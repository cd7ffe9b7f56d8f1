"""What a run of the measurements is told, and what a part gives back."""

from __future__ import annotations

from pathlib import Path

from msgspec import Struct


class Options(Struct, frozen=True):
    rounds: int
    seconds: float
    quick: bool
    million: bool
    folder: Path
    """Everything a run writes; removed at its end."""
    rows: int = 0
    """Processes to list; 0: as many as the part thinks fit."""


class Row(Struct):
    """One line of a table: what was measured, and its value of each round."""

    name: str
    unit: str
    values: list[float]
    notes: dict[str, str] = {}
    """More columns, by their heads."""


class Table(Struct):
    """What one part prints: rows, and how to read them."""

    title: str
    text: str
    rows: list[Row]
