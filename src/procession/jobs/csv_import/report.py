"""What a person is shown of a checked file: counts, and as many errors as can be shown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from msgspec import to_builtins
from msgspec.json import encode

from procession.jobs.csv_import.checking import Cells, Checked, Checker, MappingWrong, RowError
from procession.jobs.csv_import.mapping import Column, CsvInput, plain
from procession.jobs.csv_import.reading import CsvFile, Written

ERRORS_SHOWN_MAX = 200
ROWS_SHOWN = 5
CELLS_SHOWN = 20
COLUMNS_SHOWN = 100
TEXT_SHOWN = 60
DRAFT_BYTES_MAX = 48 * 1_024
"""A draft is kept as a checkpoint too, which may have 64 KiB."""

Refuse = Callable[[Sequence[str]], dict[str, str]]
Progress = Callable[[float, str], None]


def report(
    path: Path,
    written: Written,
    wanted: CsvInput,
    cells: Cells,
    *,
    refuse: Refuse,
    progress: Progress,
) -> dict[str, Any]:
    """Check a whole file and say what was found, as a draft. Raises Unreadable.

    `refuse` names the fields a target does not have; `progress` is told a part of 1 and a word.
    """
    with CsvFile(path, written, header=wanted.header) as file:
        tally = Tally(wanted.columns, wanted.unique)
        wrong = refuse([column.field for column in wanted.columns])
        errors = {
            f"columns.{number}.field": wrong[column.field]
            for number, column in enumerate(wanted.columns)
            if column.field in wrong
        }
        try:
            checker = Checker(wanted.columns, wanted.unique, file.columns, cells)
        except MappingWrong as reason:
            errors = reason.errors | errors
        if not errors:
            for batch in checker.checked(file, wanted.batch_rows):
                tally.take(batch)
                done = batch.bytes_read / max(1, file.bytes_total)
                progress(done, f"{tally.rows:,} rows checked, {tally.invalid:,} with errors")
        return tally.draft(written, file.columns, errors)


class Tally:
    """Counts rows and gathers the first errors."""

    def __init__(self, columns: Sequence[Column], unique: Sequence[str]) -> None:
        self._columns = columns
        self._unique = unique
        self.rows = 0
        self.valid = 0
        self._errors: list[RowError] = []
        self._by_field: Counter[str] = Counter()
        self._sample: list[dict[str, Any]] = []

    @property
    def invalid(self) -> int:
        return self.rows - self.valid

    def take(self, batch: Checked) -> None:
        self.rows += batch.count
        self.valid += batch.valid
        self._errors += batch.errors[: ERRORS_SHOWN_MAX - len(self._errors)]
        self._by_field.update(error.field or "row" for error in batch.errors)
        for row in islice(zip(*batch.columns, strict=True), ROWS_SHOWN - len(self._sample)):
            shown = list(zip(batch.fields, row, strict=True))[:CELLS_SHOWN]
            self._sample.append({field: _shown(value) for field, value in shown})

    def draft(
        self, written: Written, found: Sequence[str], mapping_errors: dict[str, str]
    ) -> dict[str, Any]:
        made = {
            "rows": self.rows,
            "valid": self.valid,
            "invalid": self.invalid,
            "errors": [_error(error) for error in self._errors],
            "errors_total": self._by_field.total(),
            "errors_by_field": dict(self._by_field),
            "mapping_errors": mapping_errors,
            "columns": plain(self._columns),
            "unique": list(self._unique),
            "columns_found": [_shown(name) for name in found[:COLUMNS_SHOWN]],
            "written": to_builtins(written),
            "sample": self._sample,
        }
        return fitting(made)


def fitting(draft: dict[str, Any]) -> dict[str, Any]:
    """The draft with no more errors, rows and columns than there is room for."""
    for part in ("errors", "sample", "columns_found", "columns"):
        while len(encode(draft)) > DRAFT_BYTES_MAX and draft[part]:
            draft[part] = draft[part][: len(draft[part]) // 2]
    return draft


def _error(error: RowError) -> dict[str, Any]:
    shown: dict[str, Any] = to_builtins(error)
    return {name: _shown(value) if name == "value" else value for name, value in shown.items()}


def _shown(value: Any) -> Any:
    if not isinstance(value, str):
        return to_builtins(value)
    clean = value.replace("\0", "\ufffd").encode("utf-8", "replace").decode()
    return clean if len(clean) <= TEXT_SHOWN else clean[: TEXT_SHOWN - 1] + "…"
