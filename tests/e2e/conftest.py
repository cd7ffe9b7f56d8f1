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
        world.start_agent("calm", CALM_PHONES, probe_every_ms=500)
        for phone_id in CALM_PHONES:
            body = {"account_id": account_of(phone_id), "phone_id": phone_id}
            world.api.post("/accounts", body, 201)
        yield world
    finally:
        world.end()


@pytest.fixture(scope="session")
def told(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    simulated: Simulated,
    receiver: Receiver,
) -> Iterator[Told]:
    """The STORIES of every module under test, begun at once; call it with one for its end."""
    modules = dict.fromkeys(getattr(item, "module", None) for item in request.session.items)
    stories = Told(tmp_path_factory.mktemp("stories"), simulated, receiver)
    try:
        for module in modules:
            stories.begin(getattr(module, "STORIES", []))
        yield stories
    finally:
        stories.close()


@pytest.fixture(scope="session", autouse=True)
def begun(told: Told) -> None:
    """Stories begin before the first test."""
