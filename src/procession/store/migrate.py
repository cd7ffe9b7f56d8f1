"""Applies `migrations/*.sql` at start: each once, in order, one transaction for all.

The head of a migration says whether servers that do not know it can go on beside it:
`-- compatible`, or `-- breaks: <why not>`. One that breaks them waits until they have ended.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from importlib import resources
from typing import NamedTuple, Protocol

from procession.store.connection import Connection

SERVER_SILENT_MS = 30_000
"""A server that was not heard of for this long is taken for dead."""
SERVER_KEPT_MS = 86_400_000
TRIES_MAX = 30
PAUSE_S = 0.5
MOVED_TO = "moved_to"
"""What a database remembers that was moved to another one: where."""
IMPORTING = "importing"
"""What a database remembers whose import is not finished: the import's id."""

# The installation's own memory is there before any migration.
_OWN = """CREATE TABLE IF NOT EXISTS migration (
  name TEXT PRIMARY KEY, breaks TEXT NOT NULL, applied_ms BIGINT NOT NULL);
CREATE TABLE IF NOT EXISTS server (
  server_id TEXT PRIMARY KEY, version TEXT NOT NULL, migration TEXT NOT NULL,
  seen_ms BIGINT NOT NULL);
CREATE TABLE IF NOT EXISTS meta (
  name TEXT PRIMARY KEY, value TEXT NOT NULL);
"""
_IN_THE_WAY = frozenset({"40P01", "55P03"})
"""The SQL states of a deadlock with a turn, and of a table that others keep for too long."""
_HEAD = re.compile(r"^-- (?:(compatible)|breaks: (\S.*))$", re.MULTILINE)


class Scripted(Connection, Protocol):
    """A connection that can also run the text of a migration."""

    async def run_script(self, text: str) -> None: ...

    async def lock_migrations(self) -> None:
        """Wait until no other server migrates."""
        ...


class Migration(NamedTuple):
    """`breaks`: why servers that do not know it cannot go on; empty when they can."""

    text: str
    breaks: str


class Server(NamedTuple):
    """A server at work; `migration` is the last one it knows."""

    server_id: str
    version: str
    migration: str
    seen_ms: int


class Plan(NamedTuple):
    """What is to be applied, in order, and the servers at work that it would break."""

    pending: list[tuple[str, Migration]]
    broken: list[Server]

    @property
    def refusal(self) -> str:
        """Why it cannot be applied now; empty when it can."""
        if not self.broken:
            return ""
        why = "; ".join(f"{name}: {one.breaks}" for name, one in self.pending if one.breaks)
        who = ", ".join(f"{server.server_id} ({server.version})" for server in self.broken)
        return f"{OlderServersWork.__doc__} {why}. At work: {who}."


class DatabaseRefused(Exception):
    """The database is not to be used, or not now."""


class DatabaseNewer(DatabaseRefused):
    """The database was migrated by a newer version of this program; upgrade the program."""


class DatabaseMoved(DatabaseRefused):
    """The installation was moved to another database."""


class ImportUnfinished(DatabaseRefused):
    """An import into this database was interrupted; run it again."""


class OlderServersWork(DatabaseRefused):
    """A migration would break servers that are at work; end them first."""


class TablesInUse(DatabaseRefused):
    """Transactions that do not end keep a migration from its tables; end them and try again."""


class MigrationUnmarked(Exception):
    """The head of a migration says neither `-- compatible` nor `-- breaks: <why>`."""


async def migrate(
    connection: Scripted,
    now_ms: int,
    *,
    known: Mapping[str, Migration] | None = None,
    server: Server | None = None,
) -> list[str]:
    """Bring the schema up to date; the names of what was applied.

    `server` is noted as at work in the same transaction: no migration that breaks it can slip in
    between. Raises DatabaseRefused; then nothing was changed.
    """
    for _ in range(TRIES_MAX):
        try:
            return await _migrate(connection, now_ms, known, server)
        except Exception as error:
            if getattr(error, "sqlstate", "") not in _IN_THE_WAY:
                raise
            reason = error
        await asyncio.sleep(PAUSE_S)
    raise TablesInUse(f"{TablesInUse.__doc__} ({reason})")


async def _migrate(
    connection: Scripted,
    now_ms: int,
    known: Mapping[str, Migration] | None,
    server: Server | None,
) -> list[str]:
    await connection.begin()
    try:
        plan = await make_plan(connection, now_ms, known)
        if plan.refusal:
            raise OlderServersWork(plan.refusal)
        await apply(connection, plan, now_ms)
        if server is not None:
            await connection.execute("forget_servers", before_ms=now_ms - SERVER_KEPT_MS)
            await connection.execute("put_server", **(server._asdict() | {"seen_ms": now_ms}))
        await connection.commit()
    except BaseException:
        await connection.rollback()
        raise
    return [name for name, _ in plan.pending]


async def plan_of(
    connection: Scripted, now_ms: int, known: Mapping[str, Migration] | None = None
) -> Plan:
    """What `migrate` would do; nothing is changed. Raises DatabaseRefused."""
    await connection.begin()
    try:
        return await make_plan(connection, now_ms, known)
    finally:
        await connection.rollback()


async def make_plan(
    connection: Scripted,
    now_ms: int,
    known: Mapping[str, Migration] | None = None,
    *,
    importing: bool = False,
) -> Plan:
    """Within a transaction; until it ends nobody else migrates. Raises DatabaseRefused.

    `importing`: an import may go on with what an interrupted one left.
    """
    known = read_migrations() if known is None else known
    await connection.lock_migrations()
    await connection.run_script(_OWN)
    await _refuse_marked(connection, importing)
    done = {str(name): str(breaks) for name, breaks in await connection.fetch("list_migrations")}
    if unknown := breaking(done, known):
        raise DatabaseNewer(f"{DatabaseNewer.__doc__} {unknown}")
    pending = [(name, known[name]) for name in sorted(known.keys() - done.keys())]
    last = max((name for name, migration in pending if migration.breaks), default="")
    rows = await connection.fetch("live_servers", since_ms=now_ms - SERVER_SILENT_MS)
    return Plan(pending, [one for one in (Server(*row) for row in rows) if one.migration < last])


async def apply(connection: Scripted, plan: Plan, now_ms: int) -> None:
    """Within the transaction the plan was made in."""
    for name, migration in plan.pending:
        await connection.run_script(migration.text)
        await connection.execute(
            "insert_migration", name=name, breaks=migration.breaks, applied_ms=now_ms
        )


def breaking(done: Mapping[str, str], known: Mapping[str, Migration]) -> str:
    """The applied migrations that a program knowing only `known` cannot work with; or nothing."""
    return "; ".join(
        f"{name}: {why}" for name, why in sorted(done.items()) if name not in known and why
    )


def read_migrations() -> dict[str, Migration]:
    """The program's own, by name. Raises MigrationUnmarked."""
    folder = resources.files("procession.store").joinpath("migrations")
    return {
        file.name.removesuffix(".sql"): read_migration(file.name, file.read_text(encoding="utf-8"))
        for file in folder.iterdir()
        if file.name.endswith(".sql")
    }


def read_migration(name: str, text: str) -> Migration:
    """Raises MigrationUnmarked."""
    head = _HEAD.search(text)
    if head is None:
        raise MigrationUnmarked(f"{name}: {MigrationUnmarked.__doc__}")
    return Migration(text, head[2] or "")


async def _refuse_marked(connection: Scripted, importing: bool) -> None:
    for (place,) in await connection.fetch("get_meta", name=MOVED_TO):
        raise DatabaseMoved(f"{DatabaseMoved.__doc__} It is at {place}.")
    if not importing and await connection.fetch("get_meta", name=IMPORTING):
        raise ImportUnfinished(ImportUnfinished.__doc__)
