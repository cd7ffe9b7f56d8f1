"""A phone for these tests: the adb program, called once a command."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from procession.capabilities.capability import PhoneFault, RunFailed

CONNECT_S_MAX = 30.0
GONE = ("not found", "offline", "error: closed")


class CommandFailed(RunFailed):
    """A command on the phone exited with another status than 0."""


class AdbPhone:
    """One device of the adb server on `adb_port`; `patience_s` cuts every deadline short."""

    def __init__(self, adb: str, adb_port: int, phone_id: str, serial: str) -> None:
        self._adb = [adb, "-P", str(adb_port)]
        self.phone_id, self.serial = phone_id, serial
        self.patience_s = 300.0
        self.commands: list[str] = []

    def shell(self, command: str, *, timeout_s: float = 20.0) -> str:
        self.commands.append(command)
        ran = self._run(["shell", command], timeout_s)
        if ran.returncode != 0:
            said = (ran.stderr + ran.stdout).decode(errors="replace")
            if any(word in said for word in GONE):
                raise PhoneFault(said)
            raise CommandFailed(said)
        return ran.stdout.decode(errors="replace")

    def push(self, local: str, remote: str, *, timeout_s: float = 300.0) -> None:
        if self._run(["push", local, remote], timeout_s).returncode != 0:
            raise PhoneFault("the push failed")

    def pull(self, remote: str, *, timeout_s: float = 300.0) -> bytes:
        with TemporaryDirectory() as folder:
            if self._run(["pull", remote, f"{folder}/file"], timeout_s).returncode != 0:
                raise PhoneFault("the pull failed")
            return Path(folder, "file").read_bytes()

    def screenshot(self, *, timeout_s: float = 20.0) -> bytes:
        return self._run(["exec-out", "screencap", "-p"], timeout_s).stdout

    def reboot(self, *, timeout_s: float = 180.0) -> None:
        self._run(["shell", "reboot"], timeout_s)
        self.connect(timeout_s)

    def connect(self, timeout_s: float = CONNECT_S_MAX) -> None:
        """Connect anew, as often as it takes, until the phone says it has booted."""
        until = time.monotonic() + timeout_s
        while time.monotonic() < until:
            for verb in ("disconnect", "connect"):
                subprocess.run(
                    [*self._adb, verb, self.serial], capture_output=True, timeout=20, check=False
                )
            ran = self._run(["shell", "getprop sys.boot_completed"], 5.0)
            if ran.stdout.strip() == b"1":
                return
        raise PhoneFault("the phone did not come back")

    def _run(self, words: list[str], timeout_s: float) -> subprocess.CompletedProcess[bytes]:
        command = [*self._adb, "-s", self.serial, *words]
        try:
            return subprocess.run(
                command,
                capture_output=True,
                stdin=subprocess.DEVNULL,
                timeout=min(timeout_s, self.patience_s),
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise PhoneFault(f"the phone did not answer within {timeout_s:g} s") from None
