"""What `doctor` looks at around adb: the program, its server, the phones it shows."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
from collections.abc import Iterator

from procession.agent.adbserver import AdbServer, AdbUnreachable
from procession.commands.findings import Finding, note, ok, wrong
from procession.commands.simulate import bundled_adb

TIMEOUT_S = 10.0

REMEDIES = {
    "unauthorized": "unlock the phone and accept this computer's key; if it does not ask, revoke "
    "USB debugging authorizations in its developer options and plug it in again",
    "offline": "plug it in again, or `adb disconnect` and `adb connect` its address",
    "no permissions": "add a udev rule for the phone, or run adb as a user who may use USB",
    "recovery": "start the phone's system",
    "sideload": "start the phone's system",
}


def adb(adb_path: str, adb_port: int) -> Iterator[Finding]:
    """The program, the server on that port, and each phone."""
    yield program(adb_path)
    try:
        phones = asyncio.run(_phones(adb_port))
    except (AdbUnreachable, TimeoutError) as error:
        yield note(
            "adb server",
            f"none answers on port {adb_port}: {error or 'silent'}",
            "an agent starts one; on another port name it with --adb-port",
        )
        return
    yield ok("adb server", f"answers on port {adb_port}")
    if not phones:
        remedy = "plug one in with USB debugging on, `adb connect` one, or `procession simulate`"
        yield note("phones", "none", remedy)
    for serial, state in phones.items():
        yield phone(serial, state)


def program(adb_path: str) -> Finding:
    """The adb program; empty means the one adbutils finds."""
    remedy = "install adb (Debian: `apt install adb`) and name it with --adb-path"
    try:
        path = adb_path or bundled_adb()
        answer = subprocess.run(
            [path, "version"], capture_output=True, timeout=TIMEOUT_S, check=True
        )
    except (OSError, RuntimeError, subprocess.SubprocessError) as error:
        return wrong("adb", str(error), remedy)
    lines = answer.stdout.decode(errors="replace").splitlines()
    version = next((line for line in lines if line.startswith("Version ")), (lines or ["?"])[0])
    return ok("adb", f"{path}: {version}")


def phone(serial: str, state: str) -> Finding:
    """A phone as adb sees it."""
    if state == "device":
        return ok("phone", serial)
    known = next((word for word in REMEDIES if state.startswith(word)), None)
    remedy = REMEDIES[known] if known else "wait, or plug it in again"
    return wrong("phone", f"{serial} is {state}", remedy)


async def _phones(adb_port: int) -> dict[str, str]:
    async with asyncio.timeout(TIMEOUT_S):
        shown = AdbServer(adb_port, "").track()
        async with contextlib.aclosing(shown):  # type: ignore[type-var]
            async for phones in shown:
                return phones
    raise AdbUnreachable("it hung up")
