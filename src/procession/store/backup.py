"""A consistent copy of a SQLite installation, made while a server writes to it."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from procession.store.sqlite import BUSY_MS_MAX

PAGES_AT_ONCE = 2_048
PARTIAL = ".partial"

Told = Callable[[int, int], None]
"""Told the pages copied so far and in all."""


class BackupRefused(Exception):
    """The copy cannot be made there."""


class BackupBroken(Exception):
    """The copy does not pass SQLite's own check; look at the disks."""


def back_up(source: Path, copy: Path, told: Told) -> int:
    """Copy the database as it is at one moment; the bytes of the copy.

    `copy` is there only once it is whole, checked and on disk. Writers are not held up. Raises
    BackupRefused, BackupBroken, sqlite3.Error, OSError.
    """
    if copy.exists():
        raise BackupRefused(f"{copy} is there already")
    partial = copy.with_name(copy.name + PARTIAL)
    partial.unlink(missing_ok=True)
    try:
        _copy(source, partial, told)
        _sync(partial)
        partial.rename(copy)
    finally:
        partial.unlink(missing_ok=True)
    _sync(copy.parent)
    return copy.stat().st_size


def _copy(source: Path, partial: Path, told: Told) -> None:
    address = f"{source.absolute().as_uri()}?mode=rw"
    with (
        closing(sqlite3.connect(address, uri=True, timeout=BUSY_MS_MAX / 1000)) as db,
        closing(sqlite3.connect(partial)) as copied,
    ):
        # A transaction that has read holds its moment: without it, every write of a server would
        # make the copy begin again.
        db.execute("BEGIN")
        db.execute("SELECT count(*) FROM sqlite_master").fetchone()
        db.backup(
            copied,
            pages=PAGES_AT_ONCE,
            progress=lambda _, left, total: told(total - left, total),
        )
        # Whole in one file: a copy in the journal mode of the source would want others beside it.
        copied.execute("PRAGMA journal_mode=DELETE")
        (said,) = copied.execute("PRAGMA quick_check").fetchone()
        if said != "ok":
            raise BackupBroken(f"{BackupBroken.__doc__} {said}")


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
