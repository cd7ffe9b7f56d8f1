"""A PostgreSQL server of the tests' own: made by initdb, on a socket in its folder, gone after."""

from __future__ import annotations

import glob
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

START_S_MAX = 30.0
# No test cuts the power: what a commit would wait for is switched off.
SETTINGS = {
    "listen_addresses": "",
    "max_connections": "60",
    "shared_buffers": "64MB",
    "log_min_messages": "fatal",
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
}


def binaries() -> Path:
    """The folder of initdb and postgres; a missing one names the script that installs it."""
    found = sorted(glob.glob("/usr/lib/postgresql/*/bin/initdb"))
    program = found[-1] if found else shutil.which("initdb")
    assert program, "PostgreSQL is missing: run scripts/system-deps"
    return Path(program).resolve().parent


class PostgresServer:
    """`address(name)` gives a fresh database of that name."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="procession-pg-"))
        self._user = "postgres" if os.getuid() == 0 else None
        if self._user:
            who = pwd.getpwnam(self._user)
            os.chown(self.folder, who.pw_uid, who.pw_gid)
        data = str(self.folder / "data")
        self._run(
            "initdb", "-D", data, "-U", "procession", "--auth=trust", "--no-sync", "-E", "UTF8"
        )
        options = [word for name, value in SETTINGS.items() for word in ("-c", f"{name}={value}")]
        self._server = subprocess.Popen(
            [str(binaries() / "postgres"), "-D", data, "-k", str(self.folder), *options],
            user=self._user,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=self.folder,
            start_new_session=True,
        )
        self._until_ready()

    def address(self, name: str) -> str:
        """Create a database."""
        self._psql(f'CREATE DATABASE "{name}"')
        return f"postgresql://procession@/{name}?host={self.folder}"

    def stop(self) -> None:
        self._server.send_signal(signal.SIGINT)
        self._server.wait(START_S_MAX)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _until_ready(self) -> None:
        ends = time.monotonic() + START_S_MAX
        while True:
            try:
                return self._psql("SELECT 1")
            except subprocess.CalledProcessError:
                assert time.monotonic() < ends and self._server.poll() is None
                time.sleep(0.05)

    def _psql(self, text: str) -> None:
        self._run("psql", "-h", str(self.folder), "-U", "procession", "-d", "postgres", "-c", text)

    def _run(self, program: str, *words: str) -> None:
        subprocess.run(
            [str(binaries() / program), *words],
            user=self._user,
            check=True,
            capture_output=True,
            cwd=self.folder,
        )
