"""Applies `migrations/*.sql` at start: each once, in order, one transaction for all."""

from __future__ import annotations

from importlib import resources
from typing import Protocol

from procession.store.connection import Connection

_TABLE = """CREATE TABLE IF NOT EXISTS migration (
  name TEXT PRIMARY KEY, applied_ms BIGINT NOT NULL)"""


class Scripted(Connection, Protocol):
    """A connection that can also run the text of a migration."""

    async def run_script(self, text: str) -> None: ...

    async def lock_migrations(self) -> None:
        """Wait until no other server migrates."""
        ...


class DatabaseNewer(Exception):
    """The database was migrated by a newer version of this program; upgrade the program."""


async def migrate(connection: Scripted, now_ms: int) -> list[str]:
    """Bring the schema up to date; the names of what was applied. Raises DatabaseNewer."""
    await connection.begin()
    try:
        await connection.lock_migrations()
        await connection.run_script(_TABLE)
        done = {str(row[0]) for row in await connection.fetch("list_migrations")}
        known = _migrations()
        if unknown := done - known.keys():
            raise DatabaseNewer(f"{DatabaseNewer.__doc__} Unknown: {', '.join(sorted(unknown))}")
        applied = [name for name in sorted(known) if name not in done]
        for name in applied:
            await connection.run_script(known[name])
            await connection.execute("insert_migration", name=name, applied_ms=now_ms)
        await connection.commit()
    except BaseException:
        await connection.rollback()
        raise
    return applied


def _migrations() -> dict[str, str]:
    folder = resources.files("procession.store").joinpath("migrations")
    return {
        file.name.removesuffix(".sql"): file.read_text(encoding="utf-8")
        for file in folder.iterdir()
        if file.name.endswith(".sql")
    }
