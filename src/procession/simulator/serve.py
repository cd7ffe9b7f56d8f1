"""Runs a fleet until it is told to stop; what the command line calls."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import Callable

from procession.simulator.fleet import Fleet


async def serve(
    phones: int,
    say: Callable[[str], object],
    *,
    host: str = "127.0.0.1",
    first_port: int = 0,
    control_port: int = 0,
    adb_path: str | None = None,
    adb_port: int = 5037,
    as_json: bool = False,
) -> None:
    """Start phones, `say` where they are (see `announcement`), stay until SIGTERM or SIGINT.

    With `adb_path` the adb server on `adb_port` is connected to every phone first.
    Raises ValueError, OSError or AdbRefused when the start fails.
    """
    loop, stopped, fleet = asyncio.get_running_loop(), asyncio.Event(), Fleet()
    try:
        await fleet.start(phones, host, first_port=first_port, control_port=control_port)
        if adb_path is not None:
            await fleet.connect_adb(adb_path, adb_port)
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stopped.set)
        say(announcement(fleet, as_json))
        await stopped.wait()
    finally:
        await fleet.stop()


def announcement(fleet: Fleet, as_json: bool) -> str:
    """Serials, addresses and control port: one line of JSON, or a line each for people."""
    if as_json:
        phones = [{"serial": phone.serial, "address": phone.address} for phone in fleet.phones]
        return json.dumps({"phones": phones, "control_port": fleet.control_port})
    lines = [f"{phone.serial}  {phone.address}" for phone in fleet.phones]
    return "\n".join([*lines, f"control   127.0.0.1:{fleet.control_port}"])
