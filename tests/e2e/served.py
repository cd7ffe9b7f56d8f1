"""Servers on a database that is there already, as many as a test wants."""

from __future__ import annotations

import sys
from pathlib import Path

from api import Api
from free_port import free_port
from programs import PROCESSION, Program

TOKEN = "several-" + "s" * 40
LEASE_MS = 3_000
NOBODY = "https://example.invalid/"
# What a server may be made to be, before it is started.
DEAF = """
from procession.store.postgres import PostgresConnection
async def listen(self, heard):
    return False
PostgresConnection.listen = listen
"""
HOUR_AHEAD = """
from procession import clock
right = clock.now_ms
clock.now_ms = lambda: right() + 3_600_000
"""
_RUN = "\nfrom procession.cli import main\nmain()\n"


class Served:
    """One server; `being` is code that runs before it starts. Call `until_ready` before use."""

    def __init__(
        self, name: str, home: Path, database: str, being: str = "", *words: str, port: int = 0
    ) -> None:
        self.port = port or free_port()
        self._program = [sys.executable, "-c", being + _RUN] if being else [PROCESSION]
        self._words = ["serve", "--log-format", "json", "--database", database]
        self._words += ["--port", str(self.port), "--lease-ms", str(LEASE_MS), *words]
        self._name, self._home = name, home
        self.api = Api(self.port, TOKEN, NOBODY)
        self.program = self.start()

    def start(self) -> Program:
        """Begin a life."""
        settings = {"PROCESSION_BOOTSTRAP_TOKEN": TOKEN}
        command = [*self._program, *self._words]
        self.program = Program(self._name, command, self._home, settings)
        return self.program

    def until_ready(self) -> Served:
        assert self.program.first_line().endswith(f":{self.port}")
        return self
