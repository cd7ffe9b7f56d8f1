"""`procession migrate`: bring a database up to date before the servers of a new version start."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from procession.commands.on_engine import DatabaseOption
from procession.commands.options import JsonOption, command
from procession.commands.outcome import REFUSED, CommandFailed, UsageWrong, say, say_json
from procession.commands.serve import database_failures, settings_of, shown

if TYPE_CHECKING:
    from procession.store.migrate import Plan, Scripted

T = TypeVar("T")
Work = Callable[["Scripted", int], Awaitable[T]]


def register(app: typer.Typer) -> None:
    command(app, "migrate")(migrate)


def migrate(
    *,
    database: DatabaseOption = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be applied; change nothing.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Apply what the database lacks. Refuses to break servers at work, and names them.

    A dry run ends with status 1 where the migration would be refused.
    """
    from procession.store.migrate import migrate as apply
    from procession.store.migrate import plan_of

    address = settings_of({"database": database}).database
    if dry_run:
        plan = on_database(address, plan_of, make=False)
        _show_plan(plan, json)
        if plan.refusal:
            raise typer.Exit(REFUSED)
        return
    applied = on_database(address, apply)
    if json:
        say_json({"applied": applied})
    else:
        say("\n".join(f"applied {name}" for name in applied) or "nothing to do")


def on_database(database: str, work: Work[T], *, make: bool = True) -> T:
    """Do work on a database with its time. A file that is not there is made, or stands empty.

    Raises UsageWrong, CommandFailed.
    """
    from procession.opening import database_path, is_shared
    from procession.settings import SettingInvalid

    with database_failures(shown(database)):
        try:
            if is_shared(database):
                return asyncio.run(_on_postgres(database, work))
            path = database_path(database)
            return asyncio.run(_on_file(path if make or Path(path).exists() else ":memory:", work))
        except SettingInvalid as error:
            raise UsageWrong(str(error)) from None


async def _on_file(path: str, work: Work[T]) -> T:
    from procession import clock
    from procession.store.sqlite import SqliteConnection

    connection = SqliteConnection(path)
    try:
        return await work(connection, clock.now_ms())
    finally:
        connection.close()


async def _on_postgres(database: str, work: Work[T]) -> T:
    import asyncpg

    from procession.store.postgres import PostgresConnection

    try:
        connection = await PostgresConnection.open(database)
        try:
            return await work(connection, await connection.now_ms())
        finally:
            await connection.close()
    except asyncpg.PostgresError as error:
        raise CommandFailed(f"database {shown(database)}: {error}") from None


def _show_plan(plan: Plan, json: bool) -> None:
    pending: list[dict[str, Any]] = [
        {"name": name, "breaks": migration.breaks or None} for name, migration in plan.pending
    ]
    if json:
        broken = [server.server_id for server in plan.broken]
        say_json({"pending": pending, "broken_servers": broken, "refusal": plan.refusal or None})
        return
    lines = [
        f"would apply {one['name']}: "
        + (f"breaks older servers: {one['breaks']}" if one["breaks"] else "compatible")
        for one in pending
    ]
    say("\n".join(lines) or "nothing to do")
    if plan.refusal:
        say(f"refused now: {plan.refusal}")
