"""Moves an installation from SQLite to PostgreSQL, so that at any moment one of them is in use.

The source is locked for writing from the first row read to the mark that ends its life. The target
gets everything in one transaction, still marked as unfinished; then the source is marked as moved,
with triggers that refuse every write, whichever version of the program makes it; then the target is
opened. Interrupted before the source is marked, the source stays in use; after, the same import run
again finishes.
"""

from __future__ import annotations

from collections.abc import Callable

from procession.store.arriving import Target
from procession.store.checksum import Adding, Sum
from procession.store.leaving import Source
from procession.store.migrate import (
    IMPORTING,
    MOVED_TO,
    DatabaseMoved,
    DatabaseRefused,
    ImportUnfinished,
    apply,
    make_plan,
    read_migrations,
)

IMPORT_ID = "import_id"

Progress = Callable[[str, int, int], None]
"""Told the table, its rows so far and in all: once while copying, once more while verifying."""


class TargetNotEmpty(DatabaseRefused):
    """Only an empty database can be imported into."""


class VersionsDiffer(DatabaseRefused):
    """The source is not at this program's version; run `procession migrate` on it first."""


class ContentsDiffer(DatabaseRefused):
    """What arrived is not what was sent; nothing was changed."""


async def import_installation(
    source: Source, target: Target, *, place: str, import_id: str, now_ms: int, progress: Progress
) -> dict[str, Sum]:
    """Move everything; by table what was moved. `place` is how the target is named to people.

    `import_id` is used unless an earlier run gave one. Raises DatabaseRefused, Overloaded when the
    source is held by somebody else.
    """
    import_id = await _begin_import(source, import_id)
    await source.begin()
    try:
        moved_to = await _moved_to(source)
        if not moved_to:
            sums = await _copied(source, target, import_id, now_ms, progress)
            await source.execute("put_meta", name=MOVED_TO, value=place)
            source.refuse_writes(f"the installation was moved to {place}; ask the server there")
            await source.commit()
        elif await target.unfinished() == import_id:
            sums = {}
        else:
            raise DatabaseMoved(f"{DatabaseMoved.__doc__} It is at {moved_to}.")
    finally:
        await source.rollback()
    await _finish(target)
    return sums


async def _begin_import(source: Source, import_id: str) -> str:
    """The id under which this source is known to a target, also when it is tried again."""
    if not source.is_ours():
        raise VersionsDiffer(VersionsDiffer.__doc__)
    await source.begin()
    try:
        for (earlier,) in await source.fetch("get_meta", name=IMPORT_ID):
            return str(earlier)
        await source.execute("put_meta", name=IMPORT_ID, value=import_id)
        await source.commit()
    finally:
        await source.rollback()
    return import_id


async def _moved_to(source: Source) -> str:
    return "".join([row[0] for row in await source.fetch("get_meta", name=MOVED_TO)])


async def _copied(
    source: Source, target: Target, import_id: str, now_ms: int, progress: Progress
) -> dict[str, Sum]:
    """Everything is in the target, committed and marked as unfinished."""
    await _require_own_version(source)
    await target.begin()
    try:
        await apply(target, await make_plan(target, now_ms, importing=True), now_ms)
        tables = source.tables()
        await _require_empty(target, tables, import_id)
        sums = {table: await _copy(source, target, table, progress) for table in tables}
        for table, sent in sums.items():
            await _verify(source, target, table, sent, progress)
        await target.execute("put_meta", name=IMPORTING, value=import_id)
        await target.commit()
    finally:
        await target.rollback()
    return sums


async def _require_own_version(source: Source) -> None:
    done = {row[0] for row in await source.fetch("list_migrations")}
    if apart := sorted(done ^ read_migrations().keys()):
        raise VersionsDiffer(f"{VersionsDiffer.__doc__} {', '.join(apart)}")


async def _require_empty(target: Target, tables: list[str], import_id: str) -> None:
    """What an interrupted import of the same source left was never in use."""
    unfinished = await target.unfinished()
    if unfinished == import_id:
        await target.empty(tables)
    elif unfinished:
        raise TargetNotEmpty(
            f"{TargetNotEmpty.__doc__} It waits for another import to be finished."
        )
    for table in tables:
        if await target.holds(table):
            raise TargetNotEmpty(f"{TargetNotEmpty.__doc__} There are rows in {table}.")


async def _copy(source: Source, target: Target, table: str, progress: Progress) -> Sum:
    total = source.count(table)
    adding = Adding(lambda rows: progress(table, rows, total))
    await target.copy(table, source.columns(table), adding.passing(source.rows(table)))
    progress(table, total, total)
    return adding.sum


async def _verify(
    source: Source, target: Target, table: str, sent: Sum, progress: Progress
) -> None:
    columns = source.columns(table)
    arrived = await target.sum(table, columns, lambda rows: progress(table, rows, sent.rows))
    if arrived != sent:
        raise ContentsDiffer(f"{ContentsDiffer.__doc__} {table}: {sent} is not {arrived}")
    await target.count_on(table, columns)


async def _finish(target: Target) -> None:
    """Open the target, now that the source is closed. Raises ImportUnfinished."""
    try:
        await target.begin()
        await target.execute("forget_meta", name=IMPORTING)
        await target.commit()
    except Exception as error:
        raise ImportUnfinished(f"{ImportUnfinished.__doc__} ({error})") from error
    finally:
        await target.rollback()
    await target.analyze()
