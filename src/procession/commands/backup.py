"""`procession backup`: a copy of a SQLite installation that a server is at work on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from procession.commands.on_engine import DatabaseOption
from procession.commands.options import JsonOption, command
from procession.commands.outcome import CommandFailed, UsageWrong, say, say_json
from procession.commands.serve import database_failures, settings_of


def register(app: typer.Typer) -> None:
    command(app, "backup")(backup)


def backup(
    *,
    to: Annotated[Path, typer.Option("--to", help="The file to make.")],
    database: DatabaseOption = None,
    json: JsonOption = False,
) -> None:
    """Copy a SQLite database as it is at one moment, while a server writes to it.

    PostgreSQL has tools of its own: `pg_dump --format=custom --file=FILE`.
    """
    from procession.store.backup import BackupBroken, BackupRefused, back_up

    address = settings_of({"database": database}).database
    source = _file_of(address)
    with database_failures(address), _shown_progress(json) as told:
        try:
            size = back_up(source, to, told)
        except (BackupRefused, BackupBroken) as error:
            raise CommandFailed(str(error)) from None
    if json:
        say_json({"from": address, "to": str(to), "bytes": size})
    else:
        say(f"{to}: {size:,} bytes, checked")


def _file_of(address: str) -> Path:
    """Raises UsageWrong, CommandFailed."""
    from procession.opening import database_path, is_shared
    from procession.settings import SettingInvalid

    if is_shared(address):
        raise UsageWrong("PostgreSQL is backed up by pg_dump; see the page on operating")
    try:
        file = Path(database_path(address))
    except SettingInvalid as error:
        raise UsageWrong(str(error)) from None
    if not file.exists():
        raise CommandFailed(f"database {address}: no such file")
    return file


@contextmanager
def _shown_progress(json: bool) -> Iterator[Callable[[int, int], None]]:
    """A bar on a terminal; nothing in a pipe."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console()
    if json or not console.is_terminal:
        yield lambda done, total: None
        return
    with Progress(console=console, transient=True) as bars:
        task = bars.add_task("copying", total=None)
        yield lambda done, total: bars.update(task, completed=done, total=total)
