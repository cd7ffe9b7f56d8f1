"""PostgreSQL and Redis of the measurement's own, as durable as they are meant to be run."""

from __future__ import annotations

import glob
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from pathlib import Path

from bench.children import BenchFailed, free_port

START_S_MAX = 30.0
POSTGRES_SETTINGS = {
    "listen_addresses": "",
    "max_connections": "300",
    "shared_buffers": "256MB",
    "max_wal_size": "4GB",
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
}
REDIS_SETTINGS = {"appendonly": "yes", "save": "", "no-appendfsync-on-rewrite": "no"}
FSYNC = ("always", "everysec")


class Postgres:
    """A server on a socket in a folder of its own; every database is fresh."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="procession-bench-pg-"))
        self._user = "postgres" if os.getuid() == 0 else None
        if self._user:
            who = pwd.getpwnam(self._user)
            os.chown(self.folder, who.pw_uid, who.pw_gid)
        self._count = 0
        data = str(self.folder / "data")
        self._run("initdb", "-D", data, "-U", "bench", "--auth=trust", "-E", "UTF8")
        words = [f"{name}={value}" for name, value in POSTGRES_SETTINGS.items()]
        options = [word for setting in words for word in ("-c", setting)]
        with (self.folder / "log").open("wb") as log:
            self._server = subprocess.Popen(
                [str(binaries() / "postgres"), "-D", data, "-k", str(self.folder), *options],
                user=self._user,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self.folder,
                start_new_session=True,
            )
        until_ready(self._answers, self._server, "PostgreSQL")

    @property
    def version(self) -> str:
        return self._psql("SHOW server_version").split()[0]

    def database(self) -> str:
        """The address of a new database; what was written before is on disk by then."""
        self._count += 1
        name = f"bench{self._count}"
        self._psql(f"CREATE DATABASE {name}")
        self._psql("CHECKPOINT")
        return f"postgresql://bench@/{name}?host={self.folder}"

    def drop(self, address: str) -> None:
        name = address.partition("@/")[2].partition("?")[0]
        self._psql(f"DROP DATABASE {name} WITH (FORCE)")

    def stop(self) -> None:
        self._server.send_signal(signal.SIGINT)
        self._server.wait(START_S_MAX)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _answers(self) -> None:
        self._psql("SELECT 1")

    def _psql(self, text: str) -> str:
        words = ("-h", str(self.folder), "-U", "bench", "-d", "postgres", "-Atc", text)
        return self._run("psql", *words)

    def _run(self, program: str, *words: str) -> str:
        done = subprocess.run(
            [str(binaries() / program), *words],
            user=self._user,
            check=True,
            capture_output=True,
            text=True,
            cwd=self.folder,
        )
        return done.stdout


class Redis:
    """A server with an append-only file, synced as `fsync` says; `database` empties it."""

    def __init__(self, fsync: str) -> None:
        if shutil.which("redis-server") is None:
            raise BenchFailed("redis-server is missing: run scripts/system-deps bench")
        self.folder = Path(tempfile.mkdtemp(prefix="procession-bench-redis-"))
        self.port = free_port()
        settings = REDIS_SETTINGS | {"appendfsync": fsync, "dir": str(self.folder)}
        settings |= {"port": str(self.port), "bind": "127.0.0.1"}
        words = [word for name, value in settings.items() for word in (f"--{name}", value)]
        self._server = subprocess.Popen(
            ["redis-server", *words],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=self.folder,
            start_new_session=True,
        )
        until_ready(lambda: self._cli("PING"), self._server, "Redis")

    @property
    def version(self) -> str:
        lines = self._cli("INFO", "server").splitlines()
        return next(line for line in lines if line.startswith("redis_version")).partition(":")[2]

    def database(self) -> str:
        self._cli("FLUSHALL")
        return f"redis://127.0.0.1:{self.port}/0"

    def stop(self) -> None:
        self._server.terminate()
        self._server.wait(START_S_MAX)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _cli(self, *words: str) -> str:
        done = subprocess.run(
            ["redis-cli", "-e", "-p", str(self.port), *words],
            check=True,
            capture_output=True,
            text=True,
        )
        return done.stdout.strip()


def binaries() -> Path:
    """The folder of initdb and postgres. Raises BenchFailed."""
    found = sorted(glob.glob("/usr/lib/postgresql/*/bin/initdb"))
    program = found[-1] if found else shutil.which("initdb")
    if program is None:
        raise BenchFailed("PostgreSQL is missing: run scripts/system-deps")
    return Path(program).resolve().parent


def until_ready(ask: Callable[[], object], server: subprocess.Popen[bytes], name: str) -> None:
    ends = time.monotonic() + START_S_MAX
    while time.monotonic() < ends and server.poll() is None:
        with suppress(subprocess.CalledProcessError):
            ask()
            return
        time.sleep(0.05)
    raise BenchFailed(f"{name} did not start")


@contextmanager
def postgres() -> Generator[Postgres, None, None]:
    server = Postgres()
    try:
        yield server
    finally:
        server.stop()


@contextmanager
def redis(fsync: str) -> Generator[Redis, None, None]:
    server = Redis(fsync)
    try:
        yield server
    finally:
        server.stop()
