"""Servers, agents and PostgreSQL on hosts of their own, whose cables are pulled."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing

import pytest
from cables import HERE, NETWORK, WHY_NOT, Cable, Network, cabinet, require_root
from callbacks import Receiver
from cuts import CUTS
from installation import Host, Installation, Opened
from rounds import ROUND_S_MAX, Scene, seeds_of
from strikes import kill_agent, kill_server

SEEDS = seeds_of("cables")
STRIKES = [*CUTS, *CUTS, kill_agent, kill_server]


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    require_root(WHY_NOT)
    home = tmp_path_factory.mktemp("cables")
    with ExitStack() as stack:
        rack = stack.enter_context(cabinet())
        work, callers, data = rack.network(), rack.network(), rack.network()
        for network in (work, callers):
            network.connect(HERE, 1)
        servers = [rack.host("server0"), rack.host("server1")]
        database = rack.host("database")
        cables: dict[str, Cable] = {"database": data.connect(database, 9)}
        hosts = []
        for number, name in enumerate(servers):
            cables |= connected(number, name, work, callers, data)
            hosts.append(Host(name, work.address(2 + number), callers.address(2 + number)))
        opened = stack.enter_context(closing(Opened(home)))
        receiver = opened.enter(Receiver().listening(callers.address(1)))
        simulated = opened.simulated()
        postgres = opened.postgres(network=database)

        def make(life: int) -> Installation:
            (own := home / str(life)).mkdir()
            postgres.address(f"life{life}")
            return Installation(
                own,
                postgres=postgres,
                database=f"postgresql://procession@{data.address(9)}/life{life}",
                hosts=hosts,
                receiver=receiver,
                allow=NETWORK,
                simulated=simulated,
                cables=cables,
            )

        yield stack.enter_context(closing(Scene("cables", make)))


def connected(
    number: int, host: str, work: Network, callers: Network, data: Network
) -> dict[str, Cable]:
    """A server's cables by their names."""
    callers.connect(host, 2 + number)
    return {
        f"work{number}": work.connect(host, 2 + number),
        f"data{number}": data.connect(host, 2 + number),
    }


@pytest.mark.timeout(ROUND_S_MAX)
@pytest.mark.parametrize("seed", SEEDS)
def test_nothing_is_lost_doubled_or_shared_whatever_is_cut_off(scene: Scene, seed: int) -> None:
    scene.play(seed, STRIKES)


def test_every_callback_of_the_rounds_has_arrived(scene: Scene) -> None:
    scene.told()
