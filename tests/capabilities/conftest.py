"""Simulated phones on an adb server of their own."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

import adbutils
import pytest
from adb_phone import AdbPhone
from free_port import free_port
from phone_bench import Bench

from procession.simulator.hosted import hosted


@pytest.fixture(scope="session")
def adb_port() -> Iterator[int]:
    adb = str(adbutils.adb_path())
    port = free_port()
    subprocess.run([adb, "-P", str(port), "start-server"], capture_output=True, check=True)
    yield port
    subprocess.run([adb, "-P", str(port), "kill-server"], capture_output=True, check=False)


@pytest.fixture(scope="session")
def one_bench(adb_port: int) -> Iterator[Bench]:
    with hosted(1) as fleet:
        simulated = fleet.phones[0]
        phone = AdbPhone(str(adbutils.adb_path()), adb_port, simulated.serial, simulated.address)
        phone.connect()
        yield Bench(phone, simulated)


@pytest.fixture
def bench(one_bench: Bench, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    monkeypatch.delenv("PROCESSION_APP_PROFILE", raising=False)
    one_bench.simulated.app.clear()
    one_bench.phone.commands.clear()
    yield one_bench
    one_bench.phone.patience_s = 300.0
    if one_bench.simulated.faults.on():
        one_bench.simulated.faults.clear()
        one_bench.phone.connect()
