"""What the deployment files must agree with: the program's own commands, settings and routes."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any
from unittest.mock import patch

import typer

from procession.agent.settings import AgentSettings
from procession.cli import make_app
from procession.commands.agent import agent_settings
from procession.commands.serve import settings_of
from procession.faces.endpoint import Endpoint
from procession.opening import open_engine
from procession.server import execution_streams, make_guard
from procession.server import make_app as make_server
from procession.settings import PREFIX, Settings


@cache
def commands() -> dict[str, Any]:
    found: dict[str, Any] = dict(typer.main.get_command(make_app()).commands)  # type: ignore[attr-defined]
    return found


def fits_a_command(words: Sequence[str], environment: Mapping[str, str]) -> None:
    """Fails unless the program would take these words and every PROCESSION_ variable.

    Empty variables stand for values that only an installation has.
    """
    name, command = words[0], commands()[words[0]]
    own = {key: value for key, value in environment.items() if key.startswith(PREFIX)}
    known = {PREFIX + one.name.upper() for one in command.params}
    assert own.keys() <= known, f"{name} has no setting {sorted(own.keys() - known)}"
    given = {key: value for key, value in own.items() if value and key != f"{PREFIX}CONFIG"}
    with patch.dict(os.environ, given):
        values = command.make_context(name, list(words[1:])).params
    if name == "serve":
        settings_of({key: values[key] for key in Settings.__struct_fields__})
    if name == "agent":
        agent_settings(values | {"token": values["token"] or "token"})


def drain_ms_of(command: str, environment: Mapping[str, str]) -> int:
    """How long a program goes on after SIGTERM, from its variables or its default."""
    if command == "serve":
        return int(environment.get("PROCESSION_DRAIN_MS", Settings().drain_ms))
    default = AgentSettings(server="", token="").drain_ms
    return int(environment.get("PROCESSION_AGENT_DRAIN_MS", default))


@cache
def endpoints() -> tuple[Endpoint, ...]:
    """Every route the server has."""

    async def made() -> tuple[Endpoint, ...]:
        settings = Settings(database="sqlite:///:memory:")
        async with open_engine(settings) as engine:
            app = make_server(engine, make_guard(settings), execution_streams(engine))
            return tuple(endpoint for face in app._faces for endpoint in face.endpoints)

    return asyncio.run(made())


def served(method: str, path: str) -> Endpoint:
    found = [one for one in endpoints() if (one.method, one.path) == (method, path)]
    assert len(found) == 1, f"{method} {path} is not served"
    return found[0]
