"""A real adb program with a server of its own, and waiting with a deadline."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from free_port import free_port

from procession.simulator.phone import Phone

CALL_SECONDS_MAX = 20.0
BACK_SECONDS_MAX = 30.0


def wait_until(condition: Callable[[], bool], what: str, seconds: float = BACK_SECONDS_MAX) -> None:
    """Poll until the condition holds; fails the test when the deadline passes."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.01)


class OwnAdb:
    """One adb binary; its server has its own port and its own home."""

    def __init__(self, path: str, home: Path) -> None:
        self.path, self.port = path, free_port()
        self.env = {**os.environ, "HOME": str(home), "TMPDIR": str(home), "ADB_MDNS": "0"}
        self.is_old = "Version 29." in self("version").stdout

    def __call__(
        self, *words: str, seconds: float = CALL_SECONDS_MAX, typed: str = ""
    ) -> subprocess.CompletedProcess[str]:
        """Run adb; raises subprocess.TimeoutExpired after `seconds`."""
        command = [self.path, "-P", str(self.port), *words]
        return subprocess.run(
            command,
            env=self.env,
            timeout=seconds,
            input=typed,
            capture_output=True,
            text=True,
            check=False,
        )

    def on(
        self, phone: Phone, *words: str, seconds: float = CALL_SECONDS_MAX, typed: str = ""
    ) -> Any:
        return self("-s", phone.address, *words, seconds=seconds, typed=typed)

    def shell(self, phone: Phone, line: str, seconds: float = CALL_SECONDS_MAX) -> Any:
        return self.on(phone, "shell", line, seconds=seconds)

    def binary(self, phone: Phone, *words: str) -> bytes:
        """Standard output as it is."""
        command = [self.path, "-P", str(self.port), "-s", phone.address, *words]
        finished = subprocess.run(
            command, env=self.env, timeout=CALL_SECONDS_MAX, capture_output=True, check=True
        )
        return finished.stdout

    def devices(self) -> dict[str, str]:
        lines = self("devices").stdout.splitlines()[1:]
        return dict(line.split("\t", 1) for line in lines if line)

    def shown(self, phone: Phone) -> str | None:
        """What `adb devices` says of a phone; None when it does not list it."""
        return self.devices().get(phone.address)

    def connect(self, phone: Phone) -> None:
        """Connect anew, and wait until adb says `device`."""

        def connected() -> bool:
            if self.shown(phone) == "device":
                return True
            self("disconnect", phone.address)
            self("connect", phone.address)
            return self.shown(phone) == "device"

        wait_until(connected, f"{phone.address} connected")

    def app_state(self, phone: Phone) -> dict[str, Any]:
        state: dict[str, Any] = json.loads(self.shell(phone, "simctl state").stdout)
        return state
