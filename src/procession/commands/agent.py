"""`procession agent`."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import msgspec
import typer

from procession.agent.settings import AgentSettings
from procession.commands.importing import without_collections
from procession.commands.options import (
    LogFormat,
    LogFormatOption,
    LogLevelOption,
    command,
    given_words,
    setting_parameters,
)
from procession.commands.outcome import CommandFailed, UsageWrong
from procession.commands.serve import invalid_line

KEYS = {"phones": "agent_phones", "drain_ms": "agent_drain_ms"}
"""Fields whose name means something else to another command."""

HELPS = {
    "server": "Address of the server.",
    "token": "A token with the scope `worker`; better given as PROCESSION_TOKEN.",
    "agent_id": "Its name; two agents must not share one.",
    "state_dir": "Where its lock, spool and runs live; else ~/.local/state/procession/agent-<id>.",
    "adb_path": "The adb program; else the one adbutils finds.",
    "adb_port": "Port of the adb server on this machine.",
    "phones": "Serials to use, comma-separated, addresses are called; else every phone adb shows.",
    "lanes_without_phone": "Phone ids for lanes without a device, comma-separated.",
    "job_lanes": "How many jobs it runs at once, beside its phones.",
    "job_modules": "Modules whose job types it knows, comma-separated.",
    "without_adb": "",
    "fence": "Whether a run goes on while the server is down (`reachable`) or never (`always`).",
    "outage_ms_max": "How long a server that is down may be waited for while runs go on.",
    "memory_mb_max": "Memory of one run.",
    "open_files_max": "Open files of one run.",
    "battery_percent_min": "A phone with less takes no work.",
    "temperature_c_max": "A phone that is hotter takes no work.",
    "storage_free_mb_min": "A phone with less free storage takes no work.",
    "probe_every_ms": "Pause between two looks at a phone.",
    "probe_timeout_ms": "How long a phone may take to answer a look.",
    "drain_ms": "How long runs may go on after the first SIGTERM; then they are stopped.",
}
LISTS = ("phones", "lanes_without_phone", "job_modules")
FLAGS = {"agent_id": "--name", "job_lanes": "--lanes", "job_modules": "--import"}
NOT_ASKED = "without_adb"
"""What the command itself decides: a worker is an agent that looks for no phones."""
PARAMETERS = [
    one for one in setting_parameters(AgentSettings, KEYS, HELPS, FLAGS) if one.name != NOT_ASKED
]


def register(app: typer.Typer) -> None:
    command(app, "agent", PARAMETERS)(agent)


def agent(
    *, log_format: LogFormatOption = "auto", log_level: LogLevelOption = "info", **given: Any
) -> None:
    """Run work on phones near it. Ends at SIGTERM or Ctrl-C, once its runs have ended."""
    run(agent_settings(given), log_format, log_level)


def run(settings: AgentSettings, log_format: LogFormat, log_level: str) -> None:
    """Run an agent to its end. Raises CommandFailed."""
    with without_collections():
        from procession.agent.adbserver import AdbUnreachable
        from procession.agent.life import AlreadyRunning, OrphansRemain
        from procession.agent.main import run_agent
        from procession.client import Refused, Unreachable
        from procession.commands.logs import start_logging

    start_logging(log_level, log_format)
    know_job_modules(settings.job_modules)
    try:
        run_agent(settings)
    except AlreadyRunning as error:
        raise CommandFailed(f"another agent is alive with {error}; use another --name") from None
    except Refused as error:
        raise CommandFailed(f"{settings.server} refuses this agent: {error}") from None
    except (AdbUnreachable, OrphansRemain, Unreachable, OSError) as error:
        raise CommandFailed(f"agent: {error}") from None


def agent_settings(given: dict[str, Any]) -> AgentSettings:
    """The agent's settings from values whose source is already settled. Raises UsageWrong."""
    values = {name: given.get(KEYS.get(name, name)) for name in AgentSettings.__struct_fields__}
    values |= {name: given_words(values[name]) for name in LISTS}
    values = {name: value for name, value in values.items() if value is not None}
    for needed in ("server", "token"):
        if not values.get(needed):
            raise UsageWrong(f"agent needs --{needed} or PROCESSION_{needed.upper()}")
    try:
        return msgspec.convert(values, AgentSettings, strict=False)
    except msgspec.ValidationError as error:
        raise UsageWrong(invalid_line(f"settings: {error}", values)) from None


def know_job_modules(modules: list[str]) -> None:
    """Let this program and its runs find these modules, in the present folder too.

    Raises CommandFailed for one that cannot be imported or has no job type.
    """
    if not modules:
        return
    from procession.jobs import registry
    from procession.jobs.job_type import JobTypeInvalid

    here = str(Path.cwd())
    sys.path.insert(0, here)
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [here, os.environ.get("PYTHONPATH")]))
    try:
        registry.imported(modules)
    except (ImportError, JobTypeInvalid) as error:
        raise CommandFailed(f"--import: {error}") from None
    os.environ[registry.MODULES] = ",".join(modules)
