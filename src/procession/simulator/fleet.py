"""Many simulated phones in one process, each with a port of its own."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable

from procession.simulator.control import Control
from procession.simulator.listener import Listener
from procession.simulator.phone import Phone

PHONES_MAX = 2_000
CONNECTS_AT_ONCE = 8
TURNS_TO_CLOSE = 10
ADB_SECONDS_MAX = 30.0


class AdbRefused(Exception):
    """adb could not connect to a simulated phone; the message is what adb said."""


class Fleet:
    """Phones `phone_01`, `phone_02` … on the running event loop."""

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._clock, self._wall = clock, wall
        self._listeners: list[Listener] = []
        self._control = Control(self.phone)
        self.phones: list[Phone] = []
        self.control_port = 0

    async def start(
        self,
        count: int,
        host: str = "127.0.0.1",
        first_serial: int = 1,
        first_port: int = 0,
        control_port: int = 0,
    ) -> list[Phone]:
        """Start phones and the control port; ports of 0 are chosen by the system.

        With `first_port` the phones get that port and the following ones.
        Raises ValueError for a silly count, OSError for a taken port.
        """
        if not 1 <= count <= PHONES_MAX:
            raise ValueError(f"a fleet has 1 to {PHONES_MAX} phones")
        self.control_port = await self._control.start("127.0.0.1", control_port)
        for number in range(first_serial, first_serial + count):
            phone = Phone(f"phone_{number:02d}", number, self._clock, self._wall)
            port = first_port + number - first_serial if first_port else 0
            listener = Listener(phone, host, port)
            await listener.start()
            self._listeners.append(listener)
            self.phones.append(phone)
        return self.phones

    async def stop(self) -> None:
        """Cut everything, and wait until it is closed."""
        self._control.stop()
        for listener in self._listeners:
            await listener.stop()
        # What is just being accepted is made, refused and closed within a few turns of the loop.
        for _ in range(TURNS_TO_CLOSE):
            await asyncio.sleep(0)

    def phone(self, serial: str) -> Phone | None:
        return next((phone for phone in self.phones if phone.serial == serial), None)

    async def connect_adb(self, adb_path: str, adb_port: int) -> None:
        """Have the adb server on `adb_port` connect to every phone; starts that server if needed.

        Raises AdbRefused when a phone is not connected afterwards.
        """
        places = asyncio.Semaphore(CONNECTS_AT_ONCE)

        async def connect(phone: Phone) -> None:
            async with places:
                await run_adb(adb_path, adb_port, "connect", phone.address, expect="connected to")

        await run_adb(adb_path, adb_port, "start-server", expect="")
        await asyncio.gather(*(connect(phone) for phone in self.phones))


async def run_adb(adb_path: str, adb_port: int, *words: str, expect: str) -> None:
    """Run one adb command. Raises AdbRefused unless it soon says what is expected."""
    process = await asyncio.create_subprocess_exec(
        adb_path,
        "-P",
        str(adb_port),
        *words,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        # A server started here must not listen for phones on other networks than loopback.
        env={**os.environ, "ADB_MDNS": "0"},
    )
    try:
        async with asyncio.timeout(ADB_SECONDS_MAX):
            raw, _ = await process.communicate()
    except TimeoutError:
        process.kill()
        await process.wait()
        raise AdbRefused(f"adb {words[0]} did not end within {ADB_SECONDS_MAX:.0f} s") from None
    output = raw.decode(errors="replace").strip()
    if process.returncode != 0 or expect not in output:
        raise AdbRefused(output)
