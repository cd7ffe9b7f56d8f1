"""From rows of a file to rows for a target, and what is wrong with the others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from itertools import compress
from typing import Any

from msgspec import Struct

from procession.jobs.csv_import.checks import Check
from procession.jobs.csv_import.mapping import Column
from procession.jobs.csv_import.reading import Batch, CsvFile
from procession.jobs.csv_import.unique import Keys

Row = dict[str, Any]
Columns = Sequence[Sequence[Any]]
Cells = Mapping[int, Mapping[str, str | None]]


class RowError(Struct, frozen=True, omit_defaults=True):
    """What is wrong with one cell, or, without a field, with a whole row."""

    line: int
    message: str
    column: str = ""
    field: str = ""
    value: str = ""


class Checked(Struct, frozen=True):
    """A batch after its check. `count` is how many rows it had, `upto` how many so far.

    `columns` are those of the good rows, in the order of `fields`.
    """

    upto: int
    count: int
    fields: Sequence[str]
    columns: Sequence[Sequence[Any]]
    errors: Sequence[RowError]
    bytes_read: int

    @property
    def good(self) -> list[Row]:
        """The good rows as a target takes them; made anew at each call."""
        fields = self.fields
        return [dict(zip(fields, row, strict=True)) for row in zip(*self.columns, strict=True)]

    @property
    def valid(self) -> int:
        """How many rows are good."""
        return len(self.columns[0])


class MappingWrong(Exception):
    """The mapping does not fit the file; `errors` is the path of each wrong value and why."""

    def __init__(self, errors: Mapping[str, str]) -> None:
        super().__init__("; ".join(errors.values()))
        self.errors = dict(errors)


class Checker:
    """Checks rows against a mapping; `cells` holds a person's corrections by line and field."""

    def __init__(
        self, columns: Sequence[Column], unique: Sequence[str], found: Sequence[str], cells: Cells
    ) -> None:
        self._columns = columns
        self._places = places_of(columns, found)
        self._width = len(found)
        self._fields = [column.field for column in columns]
        self._checks: list[Check] = [column.check() for column in columns]
        self._key = [self._fields.index(field) for field in unique]
        self._cells = cells

    def checked(self, file: CsvFile, rows_max: int, *, after: int = 0) -> Iterator[Checked]:
        """Every batch of the file; of those up to row `after` only the keys are looked at."""
        with Keys() if self._key else nullcontext() as keys:
            for batch in file.batches(rows_max):
                if batch.upto <= after and keys is None:
                    continue
                done = self.check(batch, keys)
                if batch.upto > after:
                    yield done

    def check(self, batch: Batch, keys: Keys | None = None) -> Checked:
        """One batch; `keys` are those of the rows before it."""
        errors = [RowError(fault.line, fault.message) for fault in batch.faults]
        lines = self._at_once(batch)
        columns = self._columnwise(batch) if lines is not None else None
        if columns is None:
            lines, columns = self._one_by_one(batch, errors)
        assert lines is not None
        if keys is not None:
            columns = self._without_equals(lines, columns, keys, errors)
        errors.sort(key=lambda error: error.line)
        count = len(batch.rows) + len(batch.faults)
        return Checked(batch.upto, count, self._fields, columns, errors, batch.bytes_read)

    def _at_once(self, batch: Batch) -> Sequence[int] | None:
        """The lines of a batch that may be checked by column; None when it may not."""
        if not set(map(len, batch.rows)) <= {self._width}:
            return None
        if self._cells and not self._cells.keys().isdisjoint(batch.lines):
            return None
        return batch.lines

    def _columnwise(self, batch: Batch) -> Columns | None:
        """The values of all rows, or None when any of them is wrong."""
        if not batch.rows:
            return [[] for _ in self._fields]
        columns = list(zip(*batch.rows, strict=True))
        try:
            return [
                check.column(columns[place])
                for check, place in zip(self._checks, self._places, strict=True)
            ]
        except ValueError:
            return None

    def _one_by_one(self, batch: Batch, errors: list[RowError]) -> tuple[list[int], Columns]:
        lines: list[int] = []
        values: list[tuple[Any, ...]] = []
        for line, row in zip(batch.lines, batch.rows, strict=True):
            wrong: list[RowError] = []
            read = self._row(line, row, wrong)
            if wrong:
                errors += wrong
            else:
                lines.append(line)
                values.append(read)
        return lines, list(zip(*values, strict=True)) if values else [[] for _ in self._fields]

    def _row(self, line: int, row: Sequence[str], wrong: list[RowError]) -> tuple[Any, ...]:
        corrected = self._cells.get(line, {})
        whole = len(row) == self._width
        if not whole and not corrected.keys() >= set(self._fields):
            wrong.append(RowError(line, f"has {len(row)} cells, the file {self._width} columns"))
            return ()
        return tuple(
            self._cell(line, number, corrected, row[place] if whole else None, wrong)
            for number, place in enumerate(self._places)
        )

    def _cell(
        self,
        line: int,
        number: int,
        corrected: Mapping[str, str | None],
        text: str | None,
        wrong: list[RowError],
    ) -> Any:
        column = self._columns[number]
        text = corrected.get(column.field, text)
        try:
            return self._checks[number].cell(text)
        except ValueError as reason:
            wrong.append(RowError(line, str(reason), column.column, column.field, text or ""))
            return None

    def _without_equals(
        self, lines: Sequence[int], columns: Columns, keys: Keys, errors: list[RowError]
    ) -> Columns:
        found = list(zip(*(columns[place] for place in self._key), strict=True))
        equal = keys.add(lines, found)
        if not equal:
            return columns
        names = ", ".join(self._fields[place] for place in self._key)
        errors += [
            RowError(line, f"equals line {first} in {names}", field=names)
            for line, first in equal.items()
        ]
        kept = [line not in equal for line in lines]
        return [list(compress(column, kept)) for column in columns]


def places_of(columns: Sequence[Column], found: Sequence[str]) -> list[int]:
    """Where in a row each column's cell is. Raises MappingWrong."""
    errors: dict[str, str] = {}
    places: list[int] = []
    plain = [name.casefold() for name in found]
    for number, column in enumerate(columns):
        name = column.column.strip()
        exact = [place for place, known in enumerate(found) if known == name]
        near = [place for place, known in enumerate(plain) if known == name.casefold()]
        fits = exact or near
        if len(fits) != 1:
            why = "has no column" if not fits else f"has {len(fits)} columns"
            errors[f"columns.{number}.column"] = f"the file {why} {column.column!r}"
        places += fits[:1]
    if errors:
        raise MappingWrong(errors)
    return places
