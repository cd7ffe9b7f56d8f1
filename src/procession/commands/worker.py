"""`procession worker`: an agent with lanes for jobs and no phone."""

from __future__ import annotations

import socket
from typing import Any

import typer

from procession.commands import agent
from procession.commands.options import LogFormatOption, LogLevelOption, command

LANES = 4
NEEDS_PHONES = frozenset(
    {
        *("adb_path", "adb_port", "agent_phones", "lanes_without_phone", "battery_percent_min"),
        *("temperature_c_max", "storage_free_mb_min", "probe_every_ms", "probe_timeout_ms"),
    }
)
PARAMETERS = [one for one in agent.PARAMETERS if one.name not in NEEDS_PHONES]


def register(app: typer.Typer) -> None:
    command(app, "worker", PARAMETERS)(worker)


def worker(
    *, log_format: LogFormatOption = "auto", log_level: LogLevelOption = "info", **given: Any
) -> None:
    """Run jobs, which need no phone: 4 at once unless --lanes says otherwise.

    Its name is the host's with `-worker`. Ends at SIGTERM or Ctrl-C, once its runs have ended.
    """
    given["job_lanes"] = given["job_lanes"] or LANES
    given["agent_id"] = given["agent_id"] or f"{socket.gethostname()}-worker"
    agent.run(agent.agent_settings(given | {"without_adb": True}), log_format, log_level)
