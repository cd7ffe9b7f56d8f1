"""An installation to be struck: servers, agents, phones, a receiver of callbacks, a database."""

from __future__ import annotations

import signal
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from http.client import HTTPException
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from api import Api
from cables import Cable
from callbacks import SECRET, Receiver
from deadline import until
from free_port import free_port
from history import Book
from postgres_server import KILLABLE, PostgresServer
from programs import PROCESSION, Program
from simulated import Simulated
from small_disk import SmallDisk
from world import TOKEN, Agent

PHONES = 4
AGENTS = 2
LEASE_MS = 2_000
RETRIES = ", ".join(["0s", "1s", "1s", "2s", "2s", "2s", "4s", "4s", "4s", "8s"])
"""Pauses between the tries of a callback that fit into a round."""
NO_DISKS: Mapping[str, SmallDisk] = MappingProxyType({})
NO_CABLES: Mapping[str, Cable] = MappingProxyType({})
NOTHING: Mapping[str, str] = MappingProxyType({})


class Host(NamedTuple):
    """Where a server lives: its network namespace, and its address for agents and for callers."""

    network: str = ""
    for_agents: str = "127.0.0.1"
    for_callers: str = "127.0.0.1"


HERE = Host()


class Server:
    """One server, over all its lives; a life's `environment` is what was set before it."""

    def __init__(self, name: str, home: Path, options: Mapping[str, object], host: Host) -> None:
        self.name, self.host = name, host
        self.environment = NOTHING
        self.port = free_port()
        self._home = home
        listening = "0.0.0.0" if host.network else "127.0.0.1"
        given = {"port": self.port, "host": listening, "lease-ms": LEASE_MS} | dict(options)
        inside = ["ip", "netns", "exec", host.network] if host.network else []
        self._words = [*inside, PROCESSION, "serve", "--log-format", "json"]
        self._words += [f"--{name}={value}" for name, value in given.items()]
        self.program = self.start()

    @property
    def url(self) -> str:
        """As agents know it."""
        return f"http://{self.host.for_agents}:{self.port}"

    def start(self) -> Program:
        """Begin a life; it answers when this returns."""
        secrets = {"PROCESSION_BOOTSTRAP_TOKEN": TOKEN, "PROCESSION_CALLBACK_SECRETS": SECRET}
        environment = secrets | dict(self.environment)
        self.program = Program(self.name, self._words, self._home, environment)
        assert self.program.first_line().endswith(f":{self.port}")
        return self.program


class HostAgent(Agent):
    """An agent of one server."""

    def __init__(self, place: Installation, agent_id: str, server: Server) -> None:
        super().__init__(place, agent_id, place.phones, TOKEN, {"server": server.url})


class Installation:
    """One server on SQLite, or two on PostgreSQL; two agents that share all phones.

    Each agent knows one server only; with two servers they know different ones.
    """

    def __init__(
        self,
        home: Path,
        *,
        postgres: PostgresServer | None = None,
        database: str = "",
        hosts: Sequence[Host] = (HERE,),
        receiver: Receiver,
        allow: str = "127.0.0.0/8",
        simulated: Simulated,
        cables: Mapping[str, Cable] = NO_CABLES,
        disks: Mapping[str, SmallDisk] = NO_DISKS,
    ) -> None:
        self.home, self.receiver, self.simulated = home, receiver, simulated
        self.postgres, self.cables, self.disks = postgres, cables, disks
        (home / "book").mkdir()
        self.book = Book(home / "book")
        self.phones = list(simulated.addresses)
        options = {
            "database": database or f"sqlite:///{home}/procession.db",
            "callback-allow": allow,
            "callback-retries": RETRIES,
        }
        self.servers = [
            Server(f"server{number}", home, options, host) for number, host in enumerate(hosts)
        ]
        self.url, self.api = self.servers[0].url, self.caller(0)
        self.agents: list[Agent] = []
        for number in range(AGENTS):
            server = self.servers[number % len(self.servers)]
            self.agents.append(HostAgent(self, f"agent{number}", server))
        self.until_ready()

    def caller(self, server: int) -> Api:
        one = self.servers[server]
        return Api(one.port, TOKEN, self.receiver.url, one.host.for_callers)

    def until_ready(self) -> None:
        """Every phone can be given work; what faults have put into quarantine is let out."""
        until(self._ready, 40, "every phone ready")

    def _ready(self) -> bool:
        """Not while a server is away, or says that its database is."""
        try:
            answers = [self.caller(number).phones() for number in range(len(self.servers))]
        except (OSError, HTTPException, AssertionError):
            return False
        shown = [answer.get(phone, {}) for answer in answers for phone in self.phones]
        if any(phone.get("quarantine") for phone in shown):
            for agent in self.agents:
                agent.program.send(signal.SIGHUP)
        return all(phone.get("state") in ("available", "busy") for phone in shown)

    def end(self) -> None:
        for agent in self.agents:
            agent.end()
        for server in self.servers:
            server.program.end()


class Opened:
    """What was opened for an installation, closed together and in the right order."""

    def __init__(self, home: Path) -> None:
        self.home, self._stack = home, ExitStack()

    def enter(self, context: AbstractContextManager[Receiver]) -> Receiver:
        return self._stack.enter_context(context)

    def simulated(self) -> Simulated:
        phones = Simulated(self.home, PHONES)
        self._stack.callback(phones.end)
        return phones

    def postgres(self, home: Path | None = None, network: str = "") -> PostgresServer:
        listening = {"listen_addresses": "*"} if network else {}
        small = {"min_wal_size": "4MB", "max_wal_size": "16MB"} if home else {}
        server = PostgresServer(KILLABLE | listening | small, home, network)
        self._stack.callback(server.stop)
        return server

    def close(self) -> None:
        self._stack.close()
