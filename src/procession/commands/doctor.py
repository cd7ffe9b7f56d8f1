"""`procession doctor`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from procession.commands.calls import SERVER, ServerOption, TokenOption
from procession.commands.options import JsonOption, command
from procession.commands.outcome import REFUSED, UsageWrong, say, say_json
from procession.commands.serve import settings_of
from procession.commands.simulate import ADB_PORT


def register(app: typer.Typer) -> None:
    command(app, "doctor")(doctor)


def doctor(
    *,
    database: Annotated[str | None, typer.Option(help="Where everything is kept.")] = None,
    adb_path: Annotated[
        str, typer.Option(help="The adb program; else the one adbutils finds.")
    ] = "",
    adb_port: Annotated[
        int | None,
        typer.Option(help="Port of the adb server; else ANDROID_ADB_SERVER_PORT, else 5037."),
    ] = None,
    server: ServerOption = SERVER,
    token: TokenOption = "",
    json: JsonOption = False,
) -> None:
    """Say what is missing or wrong, and the remedy. The exit status is 1 if anything is."""
    from procession.commands.adb_checks import adb
    from procession.commands.database_checks import database as look_at
    from procession.commands.findings import lines_of
    from procession.commands.machine_checks import machine
    from procession.commands.server_checks import server as remote
    from procession.opening import database_path, is_shared
    from procession.settings import SettingInvalid

    try:
        address = settings_of({"database": database}).database
        file = Path.cwd() / "any" if is_shared(address) else Path(database_path(address))
        port = adb_port or int(os.environ.get("ANDROID_ADB_SERVER_PORT", ADB_PORT))
    except (SettingInvalid, ValueError) as error:
        raise UsageWrong(str(error)) from None
    findings = [*machine(file), *adb(adb_path, port), *remote(server, token)]
    if is_shared(address):
        findings += look_at(address)
    healthy = not any(one.state == "wrong" for one in findings)
    if json:
        say_json({"healthy": healthy, "findings": findings})
    else:
        say("\n".join(lines_of(findings)))
    if not healthy:
        raise typer.Exit(REFUSED)
