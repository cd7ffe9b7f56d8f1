"""The clocks of servers and agents are an hour off, ahead or behind, on PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest
from callbacks import Receiver
from installation import HERE, Installation, Opened
from rounds import ROUND_S_MAX, Scene, seeds_of
from strikes import ANYWHERE
from wrong_clocks import other_clock_for_agent, other_clock_for_server, require_library

SEEDS = seeds_of("clock")
STRIKES = [*ANYWHERE, *[other_clock_for_server] * 4, *[other_clock_for_agent] * 2]


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    require_library()
    home = tmp_path_factory.mktemp("clock")
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

        with closing(Scene("clock", make)) as made:
            yield made


@pytest.mark.timeout(ROUND_S_MAX)
@pytest.mark.parametrize("seed", SEEDS)
def test_nothing_is_lost_doubled_or_shared_by_wrong_clocks(scene: Scene, seed: int) -> None:
    scene.play(seed, STRIKES)


def test_every_callback_of_the_rounds_has_arrived(scene: Scene) -> None:
    scene.told()
