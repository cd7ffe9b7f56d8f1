"""`procession simulate`."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from procession.commands.options import JsonOption, command
from procession.commands.outcome import CommandFailed, say

ADB_PORT = 5037


def register(app: typer.Typer) -> None:
    command(app, "simulate")(simulate)


def simulate(
    *,
    phones: Annotated[int, typer.Option(help="How many phones.")] = 1,
    connect: Annotated[bool, typer.Option(help="Connect adb to every phone.")] = True,
    adb_path: Annotated[
        str, typer.Option(help="The adb program; else the one adbutils finds.")
    ] = "",
    adb_port: Annotated[
        int | None,
        typer.Option(help="Port of the adb server; else ANDROID_ADB_SERVER_PORT, else 5037."),
    ] = None,
    control_port: Annotated[int, typer.Option(help="Port for faults; 0 picks one.")] = 0,
    first_port: Annotated[
        int, typer.Option(help="Port of the first phone, the others follow; 0 picks them.")
    ] = 0,
    json: JsonOption = False,
) -> None:
    """Run phones made of software. Prints where they are; ends at SIGTERM or Ctrl-C."""
    import asyncio

    from procession.simulator.fleet import AdbRefused
    from procession.simulator.serve import serve

    try:
        port = adb_port or int(os.environ.get("ANDROID_ADB_SERVER_PORT", ADB_PORT))
        asyncio.run(
            serve(
                phones,
                say,
                first_port=first_port,
                control_port=control_port,
                adb_path=(adb_path or bundled_adb()) if connect else None,
                adb_port=port,
                as_json=json,
            )
        )
    except (AdbRefused, OSError, ValueError) as error:
        raise CommandFailed(f"simulate: {error}") from None


def bundled_adb() -> str:
    """The adb program: the one on the path, else the one that comes with adbutils."""
    import adbutils

    return str(adbutils.adb_path())
