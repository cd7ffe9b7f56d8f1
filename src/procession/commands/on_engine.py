"""Work on the database itself, also while a server runs on it."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from procession.commands.outcome import CommandFailed, UsageWrong
from procession.commands.serve import database_failures, settings_of, shown

if TYPE_CHECKING:
    from procession.engine import Engine

T = TypeVar("T")

DatabaseOption = Annotated[str | None, typer.Option(help="Where everything is kept.")]


def on_engine(
    database: str | None, work: Callable[[Engine], Coroutine[Any, Any, T]], must_exist: bool = False
) -> T:
    """What `work` answers. Raises CommandFailed, UsageWrong."""
    import asyncio

    from procession.core.errors import Invalid, Refused
    from procession.opening import database_path, is_shared, open_engine
    from procession.settings import SettingInvalid

    settings = settings_of({"database": database})

    async def run() -> T:
        async with open_engine(settings) as engine:
            return await work(engine)

    try:
        is_file = must_exist and not is_shared(settings.database)
        if is_file and not Path(database_path(settings.database)).exists():
            raise CommandFailed(f"database {shown(settings.database)}: no such file")
        with database_failures(settings.database):
            return asyncio.run(run())
    except (SettingInvalid, Invalid) as error:
        raise UsageWrong(str(error)) from None
    except Refused as error:
        raise CommandFailed(str(error)) from None
