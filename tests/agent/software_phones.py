"""Simulated phones on an adb server of the test's own."""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NamedTuple

import adbutils
from fake_server import free_port

from procession.simulator.fleet import Fleet
from procession.simulator.phone import Phone

ADB = str(adbutils.adb_path())


class Bench(NamedTuple):
    """Phones, and the adb server that is connected to them."""

    fleet: Fleet
    adb_port: int

    @property
    def phone(self) -> Phone:
        return self.fleet.phones[0]

    async def adb(self, *words: str) -> None:
        """Run one adb command against the test's own server."""
        command = [ADB, "-P", str(self.adb_port), *words]
        environment = dict(os.environ) | {"ADB_MDNS": "0"}
        await asyncio.to_thread(
            subprocess.run, command, capture_output=True, check=False, env=environment
        )


@asynccontextmanager
async def bench(count: int = 1) -> AsyncIterator[Bench]:
    os.environ["ADB_MDNS"] = "0"
    fleet = Fleet()
    await fleet.start(count)
    one = Bench(fleet, free_port())
    try:
        await fleet.connect_adb(ADB, one.adb_port)
        yield one
    finally:
        await one.adb("kill-server")
        await fleet.stop()
