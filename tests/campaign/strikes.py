"""What can be done to an installation while it works. Each strike heals what it broke."""

from __future__ import annotations

import contextlib
import os
import random
import signal
from collections.abc import Callable
from http.client import HTTPException
from pathlib import Path
from typing import Any

from api import new_request_id
from deadline import came_true, until
from history import item_of
from installation import LEASE_MS, Installation
from load import Load, Piece
from world import Agent

from procession.core.lifecycle import GRACE_MS

AWAY_S_MAX = 2.0
"""How long something that was killed stays away when nobody misses it."""
REFUSED_MIN = 3
OVER_S_MAX = 3 * (LEASE_MS + GRACE_MS) / 1000
LONG_S = 12.0

Strike = Callable[[Installation, Load, random.Random], None]


def kill_server(place: Installation, load: Load, chance: random.Random) -> None:
    """A server dies, and is there again at once or when it was missed."""
    server = chance.choice(place.servers)
    server.program.kill()
    until_missed(load, chance)
    server.start()


def kill_agent(place: Installation, load: Load, chance: random.Random) -> None:
    agent = chance.choice(place.agents)
    agent.program.kill()
    agent.start()


def kill_agent_for_long(place: Installation, load: Load, chance: random.Random) -> None:
    """It comes back when another has taken over its work."""
    agent, long_id = agent_at_work(place, load, chance)
    agent.program.kill()
    came_true(lambda: taken_over(place, long_id), OVER_S_MAX)
    agent.start()


def kill_run(place: Installation, load: Load, chance: random.Random) -> None:
    """The newest run that lives."""
    for line in reversed(living(place)):
        with contextlib.suppress(ProcessLookupError):
            os.kill(line["pid"], signal.SIGKILL)
            return


def kill_adb_server(place: Installation, load: Load, chance: random.Random) -> None:
    """It forgets all phones; the agents are to start another and to find them again."""
    for pid in adb_servers(place.simulated.adb_port):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def stop_agent(place: Installation, load: Load, chance: random.Random) -> None:
    """It stands still until another has its work, then goes on as if nothing had been."""
    agent, long_id = agent_at_work(place, load, chance)
    agent.program.send(signal.SIGSTOP)
    came_true(lambda: taken_over(place, long_id), OVER_S_MAX)
    agent.program.send(signal.SIGCONT)


def kill_database(place: Installation, load: Load, chance: random.Random) -> None:
    """The postmaster dies, and with it every process of its."""
    assert place.postgres is not None
    place.postgres.kill()
    until_missed(load, chance)
    place.postgres.start()


def kill_backend(place: Installation, load: Load, chance: random.Random) -> None:
    """One process of PostgreSQL dies, upon which it throws all connections away and recovers."""
    assert place.postgres is not None
    until(place.postgres.answers, 30, "PostgreSQL at work")
    pids = place.postgres.backends()
    if pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(chance.choice(pids), signal.SIGKILL)


ANYWHERE: list[Strike] = [
    kill_server,
    kill_agent,
    kill_agent_for_long,
    kill_run,
    kill_adb_server,
    stop_agent,
]
ON_POSTGRES: list[Strike] = [*ANYWHERE, kill_database, kill_backend, kill_database, kill_backend]


def until_missed(load: Load, chance: random.Random) -> None:
    """At once, or when callers have been refused a few times."""
    if chance.random() < 0.5:
        return
    enough = load.refused + REFUSED_MIN
    came_true(lambda: load.done or load.refused >= enough, AWAY_S_MAX)


def agent_at_work(place: Installation, load: Load, chance: random.Random) -> tuple[Agent, str]:
    """An agent in the middle of a run that would outlast its lease, and that run's process.

    The next attempt is short, and for the same phone: two agents may well have begun it.
    """
    deaf, phone = chance.random() < 0.5, chance.choice(place.phones)
    inputs = place.book.inputs(LONG_S, again_seconds=0.1, ignore_stop=deaf)
    request_id = new_request_id()
    long_id: str = until(lambda: taken(place, request_id, inputs, phone), 30, "a taker")
    load.accepted[long_id] = Piece("witness", LONG_S, deaf, phone, 0, None, 0.0)
    until(lambda: "begin" in notes_of(place, long_id), 30, "a long run's beginning")
    by_id = {agent.agent_id: agent for agent in place.agents}
    return until(lambda: by_id.get(holder_of(place, long_id)), 30, "its agent's name"), long_id


def taken_over(place: Installation, process_id: str) -> bool:
    """Whether another attempt has begun than the first that did, or it is over anyway."""
    notes = notes_of(place, process_id)
    return notes.count("begin") > 1 or "end" in notes


def notes_of(place: Installation, process_id: str) -> list[str]:
    """What its runs have noted; the first to begin need not be attempt 1."""
    wanted = item_of(process_id)
    return [line["what"] for line in place.book.lines() if line["item_id"] == wanted]


def taken(place: Installation, request_id: str, inputs: Any, phone: str) -> str | None:
    """The process made of these inputs; None while nobody can make one."""
    with contextlib.suppress(OSError, HTTPException):
        reply = place.api.enqueue(request_id, "witness", inputs, phone=phone)
        if reply.status in (200, 202):
            process_id: str = reply.body["process_id"]
            return process_id
    return None


def holder_of(place: Installation, process_id: str) -> str:
    """The agent that has its item; empty while nobody can say."""
    with contextlib.suppress(OSError, HTTPException, AssertionError):
        return str(place.api.item(process_id)["agent_id"])
    return ""


def living(place: Installation) -> list[dict[str, Any]]:
    """The lines of runs that have begun and not ended."""
    lines = place.book.lines()
    ended = {(n["item_id"], n["attempt"]) for n in lines if n["what"] == "end"}
    begun = [n for n in lines if n["what"] == "begin"]
    return [n for n in begun if (n["item_id"], n["attempt"]) not in ended]


def adb_servers(port: int) -> list[int]:
    """The processes of the adb server on this port."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with contextlib.suppress(OSError):
                words = (folder / "cmdline").read_bytes().decode(errors="replace").split("\0")
                if "fork-server" in words and any(word.endswith(f":{port}") for word in words):
                    found.append(int(folder.name))
    return found


def until_asked(load: Load, count: int) -> None:
    """Wait until so many pieces were asked for: a moment in the middle of the work."""
    until(lambda: load.done or load.asked >= count, 60, "work under way")
