"""The simulated phones and one calm installation serve all tests; killed ones are made apart."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from callbacks import Receiver
from simulated import Simulated
from world import World, account_of

CALM_PHONES = ["phone_01", "phone_02", "phone_03", "phone_04", "phone_05", "phone_06"]


@pytest.fixture(scope="session")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulated]:
    phones = Simulated(tmp_path_factory.mktemp("simulator"))
    try:
        yield phones
    finally:
        phones.end()


@pytest.fixture(scope="session")
def receiver() -> Iterator[Receiver]:
    with Receiver().listening() as listening:
        yield listening
    assert listening.refused == []


@pytest.fixture(scope="session")
def calm(
    tmp_path_factory: pytest.TempPathFactory, simulated: Simulated, receiver: Receiver
) -> Iterator[World]:
    """An installation that no test kills anything of, with an account for each phone."""
    world = World(tmp_path_factory.mktemp("calm"), simulated, receiver)
    try:
        world.start_agent("calm", CALM_PHONES)
        for phone_id in CALM_PHONES:
            body = {"account_id": account_of(phone_id), "phone_id": phone_id}
            world.api.post("/accounts", body, 201)
        yield world
    finally:
        world.end()


@pytest.fixture
def make_world(
    tmp_path: Path, simulated: Simulated, receiver: Receiver
) -> Iterator[Callable[..., World]]:
    """Makes installations of which anything may be killed; their phones are 07 to 10."""
    made: list[World] = []

    def make(**settings: Any) -> World:
        home = tmp_path / f"world-{len(made)}"
        home.mkdir()
        made.append(World(home, simulated, receiver, **settings))
        return made[-1]

    try:
        yield make
    finally:
        for world in made:
            world.end()
