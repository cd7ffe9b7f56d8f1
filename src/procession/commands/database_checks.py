"""What `doctor` looks at in a PostgreSQL."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import asyncpg

from procession.commands.findings import Finding, note, ok, wrong
from procession.store.link import LOST, Link, connect

VERSION_MIN = 140_000
CLOCKS_APART_S_MAX = 5.0
CONNECTIONS_EACH = 10
"""Of one server process: its writer, its listener and its readers."""
TRIGRAMS = (
    "as its owner: CREATE EXTENSION pg_trgm; CREATE INDEX tracked_name ON tracked USING gin"
    " (name gin_trgm_ops); CREATE INDEX task_title ON task USING gin (lower(title) gin_trgm_ops)"
)
RIGHTS = "SELECT has_schema_privilege(current_schema(), 'CREATE')"


def database(address: str, now_s: Callable[[], float] = time.time) -> list[Finding]:
    """Whether servers can work on it, and what they do otherwise there."""
    return asyncio.run(_look(address, now_s))


async def _look(address: str, now_s: Callable[[], float]) -> list[Finding]:
    try:
        link = await connect(address, direct=False)
    except (*LOST, asyncpg.PostgresError, ValueError) as error:
        remedy = "correct --database, or start PostgreSQL"
        return [wrong("database", f"cannot be opened: {error}", remedy)]
    try:
        direct = await link.is_direct()
        async with link.transaction(readonly=True):
            found = [await _version(link), *await _durability(link), await _room(link)]
            clock = await _clock(link, now_s)
            search = await _search(link)
        return [*found, clock, *search, *([] if direct else [_pooler()])]
    finally:
        await link.close()


async def _version(link: Link) -> Finding:
    number = int(await link.fetchval("SHOW server_version_num"))
    told = f"PostgreSQL {await link.fetchval('SHOW server_version')}"
    if number < VERSION_MIN:
        return wrong("database", told, "14 or newer is needed")
    if not await link.fetchval(RIGHTS):
        return wrong("database", f"{told}, tables cannot be made", "GRANT CREATE ON SCHEMA …")
    return ok("database", told)


async def _durability(link: Link) -> list[Finding]:
    """What may lose answers in a power cut."""
    names = ("fsync", "synchronous_commit", "full_page_writes")
    off = [name for name in names if await link.fetchval(f"SHOW {name}") == "off"]
    if not off:
        return [ok("database durability", "a commit is on disk when it is answered")]
    remedy = f"set {', '.join(off)} to on"
    return [note("database durability", f"{', '.join(off)} off: a crash loses answers", remedy)]


async def _room(link: Link) -> Finding:
    most = int(await link.fetchval("SHOW max_connections"))
    told = f"{most} connections: room for {most // CONNECTIONS_EACH} server processes"
    if most < 2 * CONNECTIONS_EACH:
        return note("database connections", told, "raise max_connections, or use PgBouncer")
    return ok("database connections", told)


async def _clock(link: Link, now_s: Callable[[], float]) -> Finding:
    told_s = float(await link.fetchval("SELECT extract(epoch FROM clock_timestamp())::float8"))
    apart_s = abs(now_s() - told_s)
    if apart_s > CLOCKS_APART_S_MAX:
        told = f"{apart_s:.0f} s apart from this machine's; servers live by the database's"
        return note("database clock", told, "run NTP on both machines")
    return ok("database clock", "agrees with this machine's")


async def _search(link: Link) -> list[Finding]:
    """Whether a search by part of a name has an index, once there is something to search."""
    if await link.fetchval("SELECT to_regclass('tracked')") is None:
        return []
    if await link.fetchval("SELECT to_regclass('tracked_name')") is not None:
        return [ok("database search", "names are found by their trigrams")]
    told = "no trigrams: a search by part of a name reads every name"
    return [note("database search", told, TRIGRAMS)]


def _pooler() -> Finding:
    return note(
        "database pooler",
        "a pooler is in between: a server looks for what others saved twice a second, since"
        " no notice arrives, and prepares no statements",
        "for less delay, connect servers to PostgreSQL itself",
    )
