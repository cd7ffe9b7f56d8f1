"""Both adb binaries, and phones that they are connected to."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import adbutils
import pytest
from own_adb import OwnAdb

from procession.simulator.hosted import hosted
from procession.simulator.phone import Phone

DEBIAN_ADB = Path("/usr/bin/adb")


@pytest.fixture(scope="session", params=["bundled", "debian"])
def adb(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[OwnAdb]:
    path = DEBIAN_ADB if request.param == "debian" else Path(adbutils.adb_path())
    if not path.exists():
        pytest.fail(f"{path} is missing: run scripts/system-deps")
    own = OwnAdb(str(path), tmp_path_factory.mktemp(f"home-{request.param}"))
    assert own("start-server").returncode == 0
    yield own
    own("kill-server")


@pytest.fixture
def phone(adb: OwnAdb) -> Iterator[Phone]:
    with hosted(1) as fleet:
        adb.connect(fleet.phones[0])
        yield fleet.phones[0]
        adb("disconnect", fleet.phones[0].address)
