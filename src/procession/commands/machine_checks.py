"""What `doctor` looks at on this machine: Python, SQLite, the database's disk, capabilities."""

from __future__ import annotations

import os
import shutil
import sqlite3
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from procession.commands.findings import Finding, note, ok, wrong

PYTHON_MIN = (3, 11)
SQLITE_MIN = (3, 35, 0)
DISK_FREE_MB_MIN = 1_024
MEBIBYTE = 1_024 * 1_024
CGROUP = Path("/sys/fs/cgroup")


def machine(database: Path) -> Iterator[Finding]:
    """Everything that needs neither adb nor a server."""
    yield python(sys.version_info[:3])
    yield sqlite(sqlite3.sqlite_version_info)
    folder = database.absolute().parent
    yield write_ahead(folder)
    yield disk(folder)
    yield cgroup()
    yield from capabilities()
    yield app_profile()


def python(version: tuple[int, int, int]) -> Finding:
    text = ".".join(map(str, version))
    if version[:2] < PYTHON_MIN:
        return wrong("python", text, "install Python 3.11 or newer")
    return ok("python", text)


def sqlite(version: tuple[int, int, int]) -> Finding:
    """RETURNING came with 3.35, JSON functions were built in before."""
    text = ".".join(map(str, version))
    if version < SQLITE_MIN:
        return wrong("sqlite", text, "use a Python that was built with SQLite 3.35 or newer")
    try:
        with sqlite3.connect(":memory:") as db:
            db.execute("SELECT value FROM json_each('[1]')").fetchall()
    except sqlite3.Error as error:
        return wrong("sqlite", f"{text}: {error}", "use a Python whose SQLite knows JSON")
    return ok("sqlite", text)


def write_ahead(folder: Path) -> Finding:
    """Whether a database beside the real one can be written ahead and synced."""
    try:
        with tempfile.TemporaryDirectory(prefix=".procession-doctor-", dir=folder) as trial:
            db = sqlite3.connect(Path(trial) / "trial.db")
            try:
                mode = db.execute("PRAGMA journal_mode=WAL").fetchone()[0]
                db.execute("CREATE TABLE trial (one)")
            finally:
                db.close()
    except (OSError, sqlite3.Error) as error:
        remedy = "make the folder, or make it writable, or name another with --database"
        return wrong("database", f"{folder}: {error}", remedy)
    if mode != "wal":
        remedy = "keep the database on a local disk: network file systems cannot write ahead"
        return wrong("database", f"{folder}: journal mode {mode}", remedy)
    return ok("database", f"{folder} can be written ahead")


def disk(folder: Path) -> Finding:
    try:
        free_mb = shutil.disk_usage(folder).free // MEBIBYTE
    except OSError as error:
        return wrong("disk", f"{folder}: {error}", "name another folder with --database")
    text = f"{free_mb:,} MiB free in {folder}"
    if free_mb < DISK_FREE_MB_MIN:
        remedy = "make room, shorten retention_days, or name another folder with --database"
        return wrong("disk", text, remedy)
    return ok("disk", text)


def cgroup() -> Finding:
    """Runs are limited one process at a time; a cgroup would limit a run as a whole."""
    controllers = CGROUP / "cgroup.controllers"
    if not controllers.exists():
        return note("cgroup", "version 2 is not mounted", "only needed to limit the agent itself")
    words = controllers.read_text().split()
    if "memory" not in words or not os.access(CGROUP, os.W_OK):
        remedy = "limit the agent as a whole with its service manager where that is wanted"
        return note("cgroup", "not ours to divide", remedy)
    return ok("cgroup", "version 2, with " + ", ".join(words))


def capabilities() -> Iterator[Finding]:
    from procession.capabilities import registry

    yield ok("capabilities", ", ".join(registry.names()))
    for entry, reason in registry.broken().items():
        remedy = "repair or uninstall that package, then start server and agent again"
        yield wrong("capability", f"{entry}: {reason}", remedy)


def app_profile() -> Finding:
    from procession.capabilities import profile

    try:
        chosen = profile.chosen(os.environ)
    except profile.ProfileInvalid as error:
        return wrong("app profile", str(error), f"correct it; {profile.VARIABLE} names it")
    return ok("app profile", f"{chosen.app.name} ({chosen.app.package})")
