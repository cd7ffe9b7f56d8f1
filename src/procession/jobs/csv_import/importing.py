"""`csv_import`: check a file, ask a person, apply what is well in batches, each exactly once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from procession.jobs.csv_import.mapping import CsvInput, Edits, check_cells, check_columns
from procession.jobs.job import Job, RunFailed
from procession.jobs.job_type import job_type
from procession.jobs.targets.target import (
    SETTING,
    Mark,
    Target,
    TargetAway,
    TargetRefused,
    TargetsInvalid,
    TargetUnknown,
    target_for,
)

CHECK_PERCENT = 45.0
APPLY_PERCENT = 50.0
ROUNDS_MAX = 50
REREAD = ("columns", "unique", "encoding", "delimiter")
"""Edits that mean another check of the whole file."""
ATTEMPTS_MAX = 3
TIME_LIMIT_MS = 6 * 3_600_000


class Stand(Struct, frozen=True, omit_defaults=True):
    """Where an import stands: the last round of review with what was shown, or how far it is."""

    round: int
    rows: int
    draft: dict[str, Any] | None = None
    done: int = 0
    applied: int = 0


@job_type
class CsvImport:
    """Imports an uploaded CSV file into a target of the worker."""

    name = "csv_import"
    Input = CsvInput
    attempts_max = ATTEMPTS_MAX
    time_limit_ms = TIME_LIMIT_MS
    settings = (SETTING,)

    def uploads_for(self, wanted: CsvInput) -> list[str]:
        return [wanted.upload]

    def run(self, job: Job) -> Any:
        from procession.jobs.csv_import.reading import Unreadable

        try:
            target = target_for(job.input.target, job.item_id)
            try:
                return Import(job, target).run()
            finally:
                target.close()
        except TargetAway as reason:
            raise RunFailed(str(reason), retry=True) from None
        except (TargetRefused, TargetUnknown, TargetsInvalid, Unreadable) as reason:
            raise RunFailed(str(reason)) from None


class Import:
    """One run of an import; what it decides depends on the file and the decisions alone."""

    def __init__(self, job: Job, target: Target) -> None:
        from procession.jobs.csv_import.reading import how_written

        self._job = job
        self._target = target
        self._wanted: CsvInput = job.input
        self._cells: dict[int, dict[str, str | None]] = {}
        self._path: Path = job.uploaded(self._wanted.upload)
        self._written = how_written(self._path, self._wanted.encoding, self._wanted.delimiter)
        self._stand = Stand(-1, 0)
        if job.resume_from is not None:
            self._stand = msgspec.convert(job.resume_from, Stand)

    def run(self) -> dict[str, Any]:
        """Rounds of review until nothing is to be corrected; then the rows go to the target."""
        refused = ""
        for number in range(ROUNDS_MAX):
            decision = self._job.review(self._draft(number, refused))
            if not decision.approved:
                return {"approved": False, "rows": self._stand.rows, "applied": 0}
            refused, again = self._correct(decision.edits)
            if not again:
                return self._apply(number)
        raise RunFailed(f"not agreed on after {ROUNDS_MAX} reviews")

    def _draft(self, number: int, refused: str) -> Any:
        """What this round shows; checked once, also where the job is run again afterwards."""
        if number < self._stand.round:
            return None
        if number == self._stand.round:
            return self._stand.draft
        draft = self._checked()
        if refused:
            draft["edits_refused"] = refused
        self._stand = Stand(number, draft["rows"], draft)
        self._job.checkpoint(msgspec.to_builtins(self._stand))
        return draft

    def _checked(self) -> dict[str, Any]:
        from procession.jobs.csv_import.report import report

        def progress(part: float, message: str) -> None:
            self._job.progress(part * CHECK_PERCENT, message)

        return report(
            self._path,
            self._written,
            self._wanted,
            self._cells,
            refuse=self._target.missing,
            progress=progress,
        )

    def _correct(self, edits: Any) -> tuple[str, bool]:
        """Take corrections in: why they are refused, and whether a person must look again.

        Corrected cells are judged here; another mapping means another check of the whole file.
        """
        from procession.jobs.csv_import.reading import Unreadable, how_written

        try:
            found = msgspec.convert(edits or {}, Edits, strict=False)
            columns = found.columns or self._wanted.columns
            unique = self._wanted.unique if found.unique is None else found.unique
            check_columns(columns, unique)
            check_cells(columns, found.cells)
            encoding = self._wanted.encoding if found.encoding is None else found.encoding
            delimiter = self._wanted.delimiter if found.delimiter is None else found.delimiter
            self._written = how_written(self._path, encoding, delimiter)
        except (ValueError, Unreadable) as reason:
            return str(reason), True
        self._wanted = replace(
            self._wanted, columns=columns, unique=unique, encoding=encoding, delimiter=delimiter
        )
        for line, cells in found.cells.items():
            self._cells[line] = self._cells.get(line, {}) | cells
        return "", any(getattr(found, name) is not None for name in REREAD)

    def _apply(self, number: int) -> dict[str, Any]:
        """Raises TargetRefused, TargetAway, RunStopped between two batches."""
        from procession.jobs.csv_import.checking import Checker, MappingWrong
        from procession.jobs.csv_import.reading import CsvFile

        mark = self._target.mark(Mark(self._stand.done, self._stand.applied))
        rows = self._stand.rows
        with CsvFile(self._path, self._written, header=self._wanted.header) as file:
            try:
                wanted = self._wanted
                checker = Checker(wanted.columns, wanted.unique, file.columns, self._cells)
            except MappingWrong as reason:
                raise RunFailed(f"the mapping does not fit: {reason}") from None
            for batch in checker.checked(file, wanted.batch_rows, after=mark.done):
                self._job.progress(*_said(batch.bytes_read / file.bytes_total, mark, rows))
                mark = self._target.apply(mark, batch.upto, batch.fields, batch.columns)
                kept = Stand(number, rows, None, mark.done, mark.applied)
                self._job.checkpoint(msgspec.to_builtins(kept))
        skipped = rows - mark.applied
        return {"approved": True, "rows": rows, "applied": mark.applied, "skipped": skipped}


def _said(part: float, mark: Mark, rows: int) -> tuple[float, str]:
    percent = APPLY_PERCENT + part * (100 - APPLY_PERCENT)
    return percent, f"{mark.applied:,} of {rows:,} rows applied"
