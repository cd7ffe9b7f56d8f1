"""The adb server as the agent speaks to it: which phones it shows, and shells with a deadline."""

from __future__ import annotations

import asyncio
import contextlib
import os
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from procession.agent import adbwire
from procession.agent.adbwire import AdbRefused
from procession.agent.nursery import PATH_USUAL

OUTPUT_BYTES_MAX = 1024 * 1024
START_TIMEOUT_S = 20.0
CONNECT_TIMEOUT_S = 5.0
_PASSED_ON = (
    "ADB_MDNS",
    "ADB_VENDOR_KEYS",
    "ANDROID_SDK_HOME",
    "ANDROID_USER_HOME",
    "HOME",
    "PATH",
    "TMPDIR",
)

_BROKEN = (OSError, EOFError, ValueError, struct.error)


class AdbUnreachable(Exception):
    """The adb server does not answer."""


class PhoneSilent(Exception):
    """The phone did not answer in time, or its connection broke."""


class AdbServer:
    """One adb server on this machine, by its port."""

    def __init__(self, port: int, adb_path: str) -> None:
        self.port = port
        self._adb_path = adb_path

    async def start(self) -> None:
        """Have adb start its server if none runs. Raises AdbUnreachable."""
        environment = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
        environment.setdefault("PATH", PATH_USUAL)
        try:
            program = await asyncio.create_subprocess_exec(
                self._adb_path,
                "-P",
                str(self.port),
                "start-server",
                env=environment,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.DEVNULL,
            )
        except OSError as reason:
            raise AdbUnreachable(f"cannot run {self._adb_path}: {reason}") from None
        try:
            status = await asyncio.wait_for(program.wait(), START_TIMEOUT_S)
        except TimeoutError:
            program.kill()
            await program.wait()
            raise AdbUnreachable("adb start-server does not end") from None
        if status != 0:
            raise AdbUnreachable(f"adb start-server ended with status {status}")

    async def track(self) -> AsyncIterator[dict[str, str]]:
        """Serial to state (`device`, `offline`, `unauthorized` …), now and at each change.

        Ends when the adb server is gone. Raises AdbUnreachable when it cannot be reached.
        """
        async with self._line() as line:
            await line.ask("host:track-devices")
            while True:
                try:
                    text = (await line.block()).decode("utf-8", "replace")
                except _BROKEN:
                    return
                yield _states(text)

    async def devices(self) -> dict[str, str]:
        """The same list, asked for once: adb does not push every change. Raises AdbUnreachable."""
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S), self._line() as line:
                await line.ask("host:devices")
                return _states((await line.block()).decode("utf-8", "replace"))
        except (TimeoutError, AdbRefused, *_BROKEN) as reason:
            raise AdbUnreachable(str(reason)) from None

    async def connect(self, address: str) -> None:
        """Ask for a network phone; whether it came shows in `track`. Raises AdbUnreachable."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CONNECT_TIMEOUT_S), self._line() as line:
                await line.ask(f"host:connect:{address}")
                await line.block()

    async def shell(self, serial: str, command: str, timeout_s: float) -> str:
        """Standard output of a command. Raises PhoneSilent."""
        try:
            async with asyncio.timeout(timeout_s), self._line() as line:
                await line.ask(f"host:transport:{serial}")
                await line.ask("shell,v2,raw:" + command)
                return await line.shell_output()
        except TimeoutError:
            raise PhoneSilent(f"no answer in {timeout_s:g} s") from None
        except (AdbRefused, AdbUnreachable, *_BROKEN) as reason:
            raise PhoneSilent(str(reason) or type(reason).__name__) from None

    @asynccontextmanager
    async def _line(self) -> AsyncIterator[_Line]:
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        except OSError as reason:
            raise AdbUnreachable(str(reason)) from None
        try:
            yield _Line(reader, writer)
        finally:
            writer.close()


def _states(listing: str) -> dict[str, str]:
    pairs = (row.split("\t", 1) for row in listing.splitlines() if "\t" in row)
    return {serial: state.strip() for serial, state in pairs}


class _Line:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def ask(self, service: str) -> None:
        """Raises AdbRefused, or AdbUnreachable when the server goes away meanwhile."""
        self._writer.write(adbwire.request(service))
        try:
            if await self._reader.readexactly(4) != b"OKAY":
                raise AdbRefused((await self.block()).decode("utf-8", "replace"))
        except _BROKEN as reason:
            raise AdbUnreachable(str(reason)) from None

    async def block(self) -> bytes:
        """A text with four hex digits of length before it."""
        size = int(await self._reader.readexactly(4), 16)
        return await self._reader.readexactly(size)

    async def shell_output(self) -> str:
        output = bytearray()
        while True:
            kind, size = struct.unpack("<BI", await self._reader.readexactly(5))
            data = await self._reader.readexactly(size)
            if kind == adbwire.SHELL_EXIT:
                return output.decode("utf-8", "replace")
            if kind == adbwire.SHELL_OUT:
                output += data
            if len(output) > OUTPUT_BYTES_MAX:
                raise EOFError("too much output")
