"""Simulated phones and one calm installation serve all tests; what is killed is made apart."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from callbacks import Receiver
from simulated import Simulated
from stories import Told
from world import CALM_PHONES, World, account_of


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


@pytest.fixture(scope="module")
def told(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    simulated: Simulated,
    receiver: Receiver,
) -> Iterator[Told]:
    """The module's STORIES, begun side by side; call it with one to wait for its end."""
    module = request.module
    stories = Told(tmp_path_factory.mktemp(module.__name__), simulated, receiver)
    try:
        stories.begin(module.STORIES)
        yield stories
    finally:
        stories.close()
