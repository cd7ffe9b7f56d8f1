"""`procession import`: move a live installation from SQLite to PostgreSQL."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from procession.commands.on_engine import DatabaseOption
from procession.commands.options import JsonOption, command
from procession.commands.outcome import CommandFailed, UsageWrong, say, say_json
from procession.commands.serve import database_failures, settings_of, shown

if TYPE_CHECKING:
    from procession.store.checksum import Sum

Progress = Callable[[str, int, int], None]


def register(app: typer.Typer) -> None:
    command(app, "import")(import_)


def import_(
    *,
    source: Annotated[str, typer.Option("--from", help="The installation: `sqlite:///file.db`.")],
    database: DatabaseOption = None,
    json: JsonOption = False,
) -> None:
    """Move an installation from SQLite to an empty PostgreSQL, and close the file behind it.

    A server may go on meanwhile: it answers 503 while the file is copied, and for ever after.
    """
    address = settings_of({"database": database}).database
    path = _source_path(source, address)
    begun_s = time.monotonic()
    with database_failures(f"{source} to {shown(address)}"), _shown_progress(json) as progress:
        sums = asyncio.run(_import(path, address, progress))
    seconds = round(time.monotonic() - begun_s, 1)
    if json:
        tables = {table: one._asdict() for table, one in sums.items()}
        say_json({"from": source, "to": shown(address), "seconds": seconds, "tables": tables})
        return
    for table, one in sums.items():
        say(f"{table:<10}  {one.rows:>10,} rows  checksum {one.checksum} on both sides")
    say(f"moved to {shown(address)} in {seconds} s; {path} refuses writes from now on")


def _source_path(source: str, address: str) -> str:
    """The file to move. Raises UsageWrong, CommandFailed."""
    from procession.opening import database_path, is_shared
    from procession.settings import SettingInvalid

    if not is_shared(address):
        raise UsageWrong(f"--database {address!r} is not postgresql://…, where imports go to")
    try:
        path = database_path(source)
    except SettingInvalid:
        raise UsageWrong(f"--from {source!r} is not sqlite:///<file>") from None
    if not Path(path).exists():
        raise CommandFailed(f"database {source}: no such file")
    return path


async def _import(path: str, address: str, progress: Progress) -> dict[str, Sum]:
    import asyncpg

    from procession import clock
    from procession.store.arriving import Target
    from procession.store.importing import import_installation
    from procession.store.leaving import Source
    from procession.store.link import LOST

    target = Target(address)
    try:
        await target.reach()
        with closing(Source(path)) as source:
            return await import_installation(
                source,
                target,
                place=shown(address),
                import_id=clock.new_id(clock.now_ms()),
                now_ms=await target.now_ms(),
                progress=progress,
            )
    except (*LOST, asyncpg.PostgresError) as error:
        raise CommandFailed(f"database {shown(address)}: {error or type(error).__name__}") from None
    finally:
        await target.close()


@contextmanager
def _shown_progress(json: bool) -> Iterator[Progress]:
    """A bar a table on a terminal; nothing in a pipe."""
    from rich.console import Console
    from rich.progress import Progress as Bars

    console = Console()
    if json or not console.is_terminal:
        yield lambda table, rows, total: None
        return
    with Bars(console=console, transient=True) as bars:
        tasks = {}

        def show(table: str, rows: int, total: int) -> None:
            if table not in tasks:
                tasks[table] = bars.add_task(table, total=total)
            bars.update(tasks[table], completed=rows)

        yield show
