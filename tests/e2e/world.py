"""A whole installation as child processes: server, agents, phones, a receiver of callbacks."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol

from api import Api
from callbacks import SECRET, Receiver
from deadline import until
from free_port import free_port
from history import Book
from programs import PROCESSION, Program, clean_environment
from simulated import Simulated

from procession.agent.life import kill_orphans

TOKEN = "end-to-end-" + "e" * 40
LEASE_MS = 3_000
CALM_PHONES = [f"phone_{number:02}" for number in range(1, 8)]


class Place(Protocol):
    """What an agent needs to know of where it is."""

    home: Path
    url: str
    simulated: Simulated
    api: Api


class Agent:
    """One agent, over all its lives. `environment` is added to that of its program."""

    environment: Mapping[str, str] = MappingProxyType({})

    def __init__(
        self, world: Place, agent_id: str, phones: Sequence[str], token: str, options: Any
    ) -> None:
        self.agent_id, self.phones, self.token = agent_id, list(phones), token
        self.state = world.home / agent_id
        self._world, self._options = world, options
        self.program = self.start()

    def start(self) -> Program:
        """Begin a life; the former one must be over."""
        world, phones = self._world, self._world.simulated
        options = {
            "server": world.url,
            "agent_id": self.agent_id,
            "state_dir": self.state,
            "adb_port": phones.adb_port,
            "phones": ",".join(phones.addresses[phone] for phone in self.phones),
            "probe_every_ms": 1_000,
            "probe_timeout_ms": 1_500,
        } | self._options
        words = [f"--{name.replace('_', '-')}={value}" for name, value in options.items()]
        self.program = Program(
            self.agent_id,
            [PROCESSION, "agent", "--log-format", "json", *words],
            world.home,
            {"PROCESSION_TOKEN": self.token} | dict(self.environment),
        )
        return self.program

    def at_work(self) -> bool:
        """Whether the server shows all its phones as this agent's, ready or busy."""
        assert self.program.status is None, self.program.last_words()
        shown = self._world.api.phones()
        return all(
            phone in shown
            and shown[phone]["agent_id"] == self.agent_id
            and shown[phone]["state"] in ("available", "busy")
            for phone in self.phones
        )

    def until_at_work(self) -> None:
        until(self.at_work, 40, f"{self.agent_id} at work")

    def end(self) -> None:
        """End it and whatever a killed life of it may have left."""
        self.program.end()
        mark = self.state / "life"
        if mark.exists():
            kill_orphans(mark.read_text().strip(), 20)


class World:
    """A server on a fresh database and a fixed port; agents as they are asked for."""

    def __init__(
        self, home: Path, simulated: Simulated, receiver: Receiver, **settings: Any
    ) -> None:
        self.home, self.simulated, self.receiver = home, simulated, receiver
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.database = f"sqlite:///{home}/procession.db"
        self.api = self.caller(TOKEN)
        (home / "book").mkdir()
        self.book = Book(home / "book")
        self._settings = settings
        self.agents: list[Agent] = []
        self._phones: list[str] = []
        self.server = self.start_server()

    def start_server(self) -> Program:
        """Begin a life of the server; it answers when this returns."""
        options = {
            "database": self.database,
            "port": self.port,
            "lease-ms": LEASE_MS,
            "callback-allow": "127.0.0.0/8",
        } | self._settings
        words = [f"--{name}={value}" for name, value in options.items()]
        secrets = {"PROCESSION_BOOTSTRAP_TOKEN": TOKEN, "PROCESSION_CALLBACK_SECRETS": SECRET}
        command = [PROCESSION, "serve", "--log-format", "json", *words]
        self.server = Program("server", command, self.home, secrets)
        assert self.server.first_line().endswith(f":{self.port}")
        return self.server

    def start_agent(
        self, agent_id: str, phones: Sequence[str], token: str = TOKEN, **options: object
    ) -> Agent:
        """An agent for these phones, at work when this returns; `probe_every_ms=…` and such."""
        agent = Agent(self, agent_id, phones, token, options)
        self.agents.append(agent)
        agent.until_at_work()
        return agent

    def own_phones(self, count: int) -> list[str]:
        """Phones that no other world has until this one ends."""
        taken = self.simulated.take(count)
        self._phones += taken
        return taken

    def caller(self, token: str) -> Api:
        return Api(self.port, token, self.receiver.url)

    def make_token(self, *scopes: str, tenant: str = "default") -> str:
        """A token made by the command line, on the database of the running server."""
        words = [PROCESSION, "token", "create", "--database", self.database, "--tenant", tenant]
        for scope in scopes:
            words += ["--scope", scope]
        made = subprocess.run(
            words, capture_output=True, check=True, env=clean_environment(), timeout=30, text=True
        )
        return made.stdout.split()[0]

    def end(self) -> None:
        for agent in self.agents:
            agent.end()
        self.server.end()
        self.simulated.give_back(self._phones)


def account_of(phone_id: str) -> str:
    """The account the calm installation keeps for a phone."""
    return phone_id.replace("phone", "account")
