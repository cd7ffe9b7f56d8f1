"""Simulated phones and one calm installation serve all tests; what is killed is made apart.

They end with the last test of this folder: phones that are looked at cost time as long as they are.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from callbacks import Receiver
from simulated import Simulated
from stories import Told
from world import CALM_PHONES, World, account_of


@pytest.fixture(scope="package")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulated]:
    phones = Simulated(tmp_path_factory.mktemp("simulator"))
    try:
        yield phones
    finally:
        phones.end()


@pytest.fixture(scope="package")
def receiver() -> Iterator[Receiver]:
    with Receiver().listening() as listening:
        yield listening
    assert listening.refused == []


@pytest.fixture(scope="package")
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


@pytest.fixture(scope="package")
def told(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    simulated: Simulated,
    receiver: Receiver,
) -> Iterator[Told]:
    """Call it with one of the module's STORIES to wait for its end."""
    alone = "PYTEST_XDIST_WORKER" not in os.environ
    home = tmp_path_factory.mktemp("stories")
    stories = Told(home, simulated, receiver, at_once=4 if alone else 2)
    try:
        if alone:  # else the modules may be others' to run
            for module in dict.fromkeys(
                getattr(one, "module", None) for one in request.session.items
            ):
                stories.begin(getattr(module, "STORIES", []))
        yield stories
    finally:
        stories.close()


@pytest.fixture(scope="module", autouse=True)
def begun(request: pytest.FixtureRequest, told: Told) -> None:
    """A module's stories begin before its first test, at the latest."""
    told.begin(getattr(request.module, "STORIES", []))
