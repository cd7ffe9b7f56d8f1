"""The disk of the database, or of an agent, is full for a while: on SQLite and on PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from cables import require_root
from callbacks import Receiver
from fills import fill_agent, fill_postgres, fill_sqlite
from installation import HERE, Installation, Opened
from rounds import ROUND_S_MAX, Scene, seeds_of
from simulated import Simulated
from small_disk import WHY_NOT, SmallDisk, small_disk
from strikes import kill_agent, kill_server

SEEDS = seeds_of("disk")
ON_POSTGRES = [seed for seed in SEEDS if seed // 10 % 2]
ON_SQLITE = [seed for seed in SEEDS if seed not in ON_POSTGRES]
SQLITE_MB, POSTGRES_MB, AGENT_MB = 16, 160, 2


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Opened]:
    require_root(WHY_NOT)
    with closing(Opened(tmp_path_factory.mktemp("disks"))) as made:
        yield made


@pytest.fixture(scope="module")
def receiver(opened: Opened) -> Receiver:
    return opened.enter(Receiver().listening())


@pytest.fixture(scope="module")
def simulated(opened: Opened) -> Simulated:
    return opened.simulated()


@pytest.fixture(scope="module")
def on_sqlite(opened: Opened, receiver: Receiver, simulated: Simulated) -> Iterator[Scene]:
    with ExitStack() as stack:

        def make(life: int) -> Installation:
            own = opened.home / f"sqlite{life}"
            disks = disks_of(own, SQLITE_MB, stack)
            return Installation(
                own,
                database=f"sqlite:///{disks['database'].folder}/procession.db",
                receiver=receiver,
                simulated=simulated,
                disks=disks,
            )

        yield stack.enter_context(closing(Scene("disk, sqlite", make)))


@pytest.fixture(scope="module")
def on_postgres(opened: Opened, receiver: Receiver, simulated: Simulated) -> Iterator[Scene]:
    with ExitStack() as stack:

        def make(life: int) -> Installation:
            own = opened.home / f"postgres{life}"
            disks = disks_of(own, POSTGRES_MB, stack)
            postgres = opened.postgres(disks["database"].folder)
            stack.callback(postgres.stop)
            return Installation(
                own,
                postgres=postgres,
                database=postgres.address("small"),
                hosts=(HERE, HERE),
                receiver=receiver,
                simulated=simulated,
                disks=disks,
            )

        yield stack.enter_context(closing(Scene("disk, postgres", make)))


def disks_of(own: Path, megabytes: int, stack: ExitStack) -> dict[str, SmallDisk]:
    """A small disk for the database and one for the first agent, whose folder leads there."""
    own.mkdir()
    database = stack.enter_context(small_disk(megabytes))
    agent = stack.enter_context(small_disk(AGENT_MB))
    (own / "agent0").symlink_to(agent.folder)
    return {"database": database, "agent0": agent}


@pytest.mark.timeout(ROUND_S_MAX)
@pytest.mark.parametrize("seed", ON_SQLITE)
def test_a_full_disk_loses_nothing_on_sqlite(on_sqlite: Scene, seed: int) -> None:
    load = on_sqlite.play(seed, [fill_sqlite, fill_sqlite, fill_agent, kill_server, kill_agent])
    assert load.unanswered == 0


@pytest.mark.timeout(ROUND_S_MAX)
@pytest.mark.parametrize("seed", ON_POSTGRES)
def test_a_full_disk_loses_nothing_on_postgres(on_postgres: Scene, seed: int) -> None:
    load = on_postgres.play(seed, [fill_postgres])
    assert load.unanswered == 0


def test_every_callback_of_the_rounds_has_arrived(on_sqlite: Scene, on_postgres: Scene) -> None:
    on_sqlite.told()
    on_postgres.told()
