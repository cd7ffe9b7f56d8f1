"""An adb server of the test's own, on its own port."""

from __future__ import annotations

import subprocess
from pathlib import Path

import adbutils
from free_port import free_port

ADB = str(adbutils.adb_path())


class OwnServer:
    """The port is free until something starts an adb server there; `close` ends that one."""

    def __init__(self, home: Path) -> None:
        self.port = free_port()
        self.environment = {"PATH": "/usr/bin:/bin", "HOME": str(home), "TMPDIR": str(home)}

    def devices(self) -> dict[str, str]:
        """Serial to state, as adb prints them."""
        lines = self._adb("devices").stdout.splitlines()
        pairs = (line.split("\t") for line in lines if "\t" in line)
        return dict(pairs)  # type: ignore[arg-type]

    def close(self) -> None:
        self._adb("kill-server")

    def _adb(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [ADB, "-P", str(self.port), *words],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
        )
