"""Servers, agents, runs and adb are killed or stand still at any moment; one server on SQLite."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest
from callbacks import Receiver
from installation import Installation, Opened
from rounds import ROUND_S_MAX, Scene, seeds_of
from strikes import ANYWHERE

SEEDS = seeds_of("sqlite")


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    home = tmp_path_factory.mktemp("sqlite")
    with closing(Opened(home)) as opened:
        receiver, simulated = opened.enter(Receiver().listening()), opened.simulated()

        def make(life: int) -> Installation:
            (own := home / str(life)).mkdir()
            return Installation(own, receiver=receiver, simulated=simulated)

        with closing(Scene("sqlite", make)) as made:
            yield made


@pytest.mark.timeout(ROUND_S_MAX)
@pytest.mark.parametrize("seed", SEEDS)
def test_nothing_is_lost_doubled_or_shared_whatever_is_killed(scene: Scene, seed: int) -> None:
    scene.play(seed, ANYWHERE)


def test_every_callback_of_the_rounds_has_arrived(scene: Scene) -> None:
    scene.told()
