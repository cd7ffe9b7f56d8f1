"""Partitions: cables are pulled for a while, and plugged in again."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from deadline import came_true
from installation import Installation
from load import Load
from strikes import OVER_S_MAX, Strike, agent_at_work, taken_over

LASTING_S = [0.5, 2.0, 5.0]


def agent_from_server(place: Installation, load: Load, chance: random.Random) -> None:
    """An agent is out of reach of its server until another has taken over its work."""
    agent, long_id = agent_at_work(place, load, chance)
    with pulled(place, [f"work{place.agents.index(agent)}"]):
        came_true(lambda: taken_over(place, long_id), OVER_S_MAX)


def all_agents_from_servers(place: Installation, load: Load, chance: random.Random) -> None:
    with pulled(place, [f"work{number}" for number in range(len(place.agents))]):
        last(chance)


def server_from_database(place: Installation, load: Load, chance: random.Random) -> None:
    """One server sees nothing of the database, perhaps with a turn half way; the other goes on."""
    with pulled(place, [f"data{chance.randrange(len(place.servers))}"]):
        last(chance)


def database_from_servers(place: Installation, load: Load, chance: random.Random) -> None:
    with pulled(place, ["database"]):
        last(chance)


CUTS: list[Strike] = [
    agent_from_server,
    all_agents_from_servers,
    server_from_database,
    database_from_servers,
]


@contextmanager
def pulled(place: Installation, names: Sequence[str]) -> Iterator[None]:
    """These cables, for as long as the context lasts."""
    for name in names:
        place.cables[name].pull()
    try:
        yield
    finally:
        for name in names:
            place.cables[name].plug()


def last(chance: random.Random) -> None:
    """How long a partition lasts is part of the fault, not something to wait for."""
    time.sleep(chance.choice(LASTING_S))
