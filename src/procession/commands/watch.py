"""`procession watch`, and what `submit --watch` does after submitting."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from procession.commands.calls import (
    SERVER,
    ServerOption,
    TokenOption,
    calling,
    path_of,
)
from procession.commands.options import JsonOption, command
from procession.commands.outcome import REFUSED, CommandFailed, complain, say_json
from procession.commands.record import FINAL

if TYPE_CHECKING:
    from procession.client import Client

OUTAGE_S_MAX = 300.0
PAUSE_S_MIN = 0.2
PAUSE_S_MAX = 5.0

Show = Callable[[dict[str, Any]], None]

ProcessArgument = Annotated[str, typer.Argument(help="As `submit` and `list` show it.")]
OutageOption = Annotated[
    float, typer.Option("--outage-s-max", help="How long a server may be away, in seconds.")
]


def register(app: typer.Typer) -> None:
    command(app, "watch")(watch)


def watch(
    *,
    process_id: ProcessArgument,
    outage_s_max: OutageOption = OUTAGE_S_MAX,
    server: ServerOption = SERVER,
    token: TokenOption = "",
    json: JsonOption = False,
) -> None:
    """Follow a process. The exit status is 0 only if it completed."""
    end_like(watched(server, token, process_id, outage_s_max, json))


def end_like(record: dict[str, Any]) -> None:
    """End the command as the process ended."""
    if record["status"] != "completed":
        raise typer.Exit(REFUSED)


def watched(
    server: str, token: str, process_id: str, outage_s_max: float, json: bool
) -> dict[str, Any]:
    """Show a process until its end; its last record. Raises UsageWrong, CommandFailed."""
    if json:
        return calling(server, token, lambda it: follow(it, process_id, say_json, outage_s_max))
    from procession.commands.progress import shown_to_people

    with shown_to_people() as show:
        return calling(server, token, lambda it: follow(it, process_id, show, outage_s_max))


async def follow(
    client: Client, process_id: str, show: Show, outage_s_max: float
) -> dict[str, Any]:
    """Show every version of a record until the last, over restarts of the server."""
    import asyncio

    from procession.client import Refused, Unreachable

    seen = ""
    away_since_s: float | None = None
    pause_s = PAUSE_S_MIN
    while True:
        try:
            path = path_of("processes", process_id, "stream")
            async for frame in client.stream(path, last_event_id=seen):
                away_since_s, pause_s = None, PAUSE_S_MIN
                if frame.id == seen:
                    continue
                seen, record = frame.id, msgspec.json.decode(frame.data)
                show(record)
                if record["status"] in FINAL:
                    return dict(record)
        except Refused as error:
            if error.status not in {429, 503}:
                raise CommandFailed(f"refused: {error.message} ({error.status})") from None
            away = str(error)
        except Unreachable as error:
            away = str(error)
        else:
            away = ""
        if away:
            away_since_s = _still_waiting(away, away_since_s, outage_s_max)
            pause_s = min(pause_s * 2, PAUSE_S_MAX)
        await asyncio.sleep(pause_s)


def _still_waiting(away: str, since_s: float | None, outage_s_max: float) -> float:
    """When the outage began. Raises CommandFailed when it lasts too long."""
    now_s = time.monotonic()
    if since_s is None:
        if sys.stderr.isatty():
            complain(f"{away}; trying again")
        return now_s
    if now_s - since_s > outage_s_max:
        raise CommandFailed(f"gave up after {outage_s_max:g} s: {away}; the process goes on")
    return since_s
