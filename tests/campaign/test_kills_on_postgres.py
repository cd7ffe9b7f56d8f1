"""The same with two servers on PostgreSQL, whose processes are killed as well."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest
from callbacks import Receiver
from installation import HERE, Installation, Opened
from rounds import ROUND_S_MAX, Scene, seeds_of
from strikes import ON_POSTGRES

SEEDS = seeds_of("postgres")


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    home = tmp_path_factory.mktemp("postgres")
    with closing(Opened(home)) as opened:
        receiver, simulated = opened.enter(Receiver().listening()), opened.simulated()
        postgres = opened.postgres()

        def make(life: int) -> Installation:
            (own := home / str(life)).mkdir()
            return Installation(
                own,
                postgres=postgres,
                database=postgres.address(f"life{life}"),
                hosts=(HERE, HERE),
                receiver=receiver,
                simulated=simulated,
            )

        with closing(Scene("postgres", make)) as made:
            yield made


@pytest.mark.timeout(ROUND_S_MAX)
@pytest.mark.parametrize("seed", SEEDS)
def test_nothing_is_lost_doubled_or_shared_whatever_is_killed(scene: Scene, seed: int) -> None:
    scene.play(seed, ON_POSTGRES)


def test_every_callback_of_the_rounds_has_arrived(scene: Scene) -> None:
    scene.told()
