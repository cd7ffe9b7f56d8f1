"""What the deployment files must agree with: the program's own commands and settings."""

from __future__ import annotations

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
