"""A PostgreSQL server of the tests' own: made by initdb, on a socket in its folder, gone after."""

from __future__ import annotations

import contextlib
import glob
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

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


# Where processes are killed: what was committed is with the operating system, not in their memory.
KILLABLE = {"synchronous_commit": "on", "full_page_writes": "on"}


class PostgresServer:
    """`address(name)` gives a fresh database of that name.

    `settings` go before SETTINGS. `home` is the folder to make its own in, perhaps a small
    one; `network` a network namespace to live in, where every address may connect (root only).
    """

    def __init__(
        self,
        settings: Mapping[str, str] = MappingProxyType({}),
        home: Path | None = None,
        network: str = "",
    ) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="procession-pg-", dir=home))
        self._settings, self._network = SETTINGS | dict(settings), network
        self.user = "postgres" if os.getuid() == 0 else None
        if self.user:
            who = pwd.getpwnam(self.user)
            os.chown(self.folder, who.pw_uid, who.pw_gid)
        self._data = str(self.folder / "data")
        words = ["-U", "procession", "--auth=trust", "--no-sync", "-E", "UTF8"]
        words += ["--wal-segsize=1"] if home else []
        self._run("initdb", "-D", self._data, *words)
        if network:
            with open(f"{self._data}/pg_hba.conf", "a") as rules:
                rules.write("host all all 0.0.0.0/0 trust\n")
        self.start()

    def start(self) -> None:
        """Begin a life; the former one must be over, but for processes that are just ending."""
        ends = time.monotonic() + START_S_MAX
        while not self._has_started(ends):
            assert time.monotonic() < ends, "PostgreSQL does not start"
            time.sleep(0.05)

    def address(self, name: str) -> str:
        """Create a database."""
        self._psql(f'CREATE DATABASE "{name}"')
        return f"postgresql://procession@/{name}?host={self.folder}"

    @property
    def alive(self) -> bool:
        return self._server.poll() is None

    def answers(self) -> bool:
        """Whether it takes connections; it is started again when it has ended by itself."""
        if not self.alive:
            self.start()
        try:
            self._psql("SELECT 1")
        except subprocess.CalledProcessError:
            return False
        return True

    def kill(self) -> None:
        """As a crash would: the postmaster is gone at once, its processes find out."""
        self._server.kill()
        self._server.wait(START_S_MAX)

    def backends(self) -> list[int]:
        """The processes that serve connections of others, by number."""
        text = "SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend'"
        told = self._psql(f"{text} AND pid <> pg_backend_pid()")
        return [int(line) for line in told.split()]

    def stop(self) -> None:
        if self.alive:
            self._server.send_signal(signal.SIGINT)
            self._server.wait(START_S_MAX)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _has_started(self, ends: float) -> bool:
        """Whether it answers; no when it ended, as it does beside processes of a former life."""
        options = [
            word for name, value in self._settings.items() for word in ("-c", f"{name}={value}")
        ]
        words = [str(binaries() / "postgres"), "-D", self._data, "-k", str(self.folder), *options]
        enter: list[str] = []
        if self._network:
            enter = ["ip", "netns", "exec", self._network, "setpriv", f"--reuid={self.user}"]
            enter += [f"--regid={self.user}", "--clear-groups"]
        self._server = subprocess.Popen(
            [*enter, *words],
            user=None if enter else self.user,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=self.folder,
            start_new_session=True,
        )
        while self.alive:
            with contextlib.suppress(subprocess.CalledProcessError):
                self._psql("SELECT 1")
                return True
            assert time.monotonic() < ends, "PostgreSQL does not answer"
            time.sleep(0.05)
        return False

    def _psql(self, text: str) -> str:
        words = ["-h", str(self.folder), "-U", "procession", "-d", "postgres", "-At", "-c", text]
        return self._run("psql", *words)

    def _run(self, program: str, *words: str) -> str:
        done = subprocess.run(
            [str(binaries() / program), *words],
            user=self.user,
            check=True,
            capture_output=True,
            text=True,
            cwd=self.folder,
        )
        return done.stdout
