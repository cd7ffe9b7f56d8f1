"""A PgBouncer in transaction mode before a PostgreSQL of the tests' own."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from pathlib import Path

from free_port import free_port
from postgres_server import PostgresServer

START_S_MAX = 20.0
CONFIG = """
[databases]
* = host={folder} user=procession
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
pool_mode = transaction
auth_type = any
default_pool_size = {pool_size}
server_login_retry = 1
"""


class PgBouncer:
    """Connections share `pool_size` of the server's, a transaction at a time."""

    def __init__(self, postgres: PostgresServer, home: Path, pool_size: int = 3) -> None:
        program = shutil.which("pgbouncer", path="/usr/sbin:/usr/bin:/usr/local/bin")
        assert program, "PgBouncer is missing: run scripts/system-deps"
        self.port = free_port()
        config = postgres.folder / f"pgbouncer-{self.port}.ini"
        config.write_text(
            CONFIG.format(folder=postgres.folder, port=self.port, pool_size=pool_size)
        )
        config.chmod(0o644)
        with (home / "pgbouncer.log").open("ab") as log:
            self._process = subprocess.Popen(
                [program, str(config)], user=postgres.user, stdout=log, stderr=log, cwd="/"
            )
        self._until_ready()

    def address(self, name: str) -> str:
        """The database of that name, through the pooler."""
        return f"postgresql://procession@127.0.0.1:{self.port}/{name}"

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(START_S_MAX)

    def _until_ready(self) -> None:
        ends = time.monotonic() + START_S_MAX
        while True:
            try:
                return socket.create_connection(("127.0.0.1", self.port), 1).close()
            except OSError:
                assert time.monotonic() < ends and self._process.poll() is None
                time.sleep(0.02)
