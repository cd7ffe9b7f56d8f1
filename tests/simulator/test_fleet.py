"""Many phones at once, their control port, and the program that starts them."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest
from own_adb import OwnAdb, wait_until

from procession.simulator.faults import Fault
from procession.simulator.fleet import AdbRefused, Fleet
from procession.simulator.hosted import hosted

START_SECONDS_MAX = 30.0


def test_fifty_phones_are_connected_and_worked_at_once(
    adb: OwnAdb, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", adb.env["HOME"])
    with hosted(50) as fleet:
        asyncio.run(fleet.connect_adb(adb.path, adb.port))
        with ThreadPoolExecutor(16) as pool:
            answers = list(pool.map(lambda p: adb.shell(p, "getprop ro.serialno"), fleet.phones))
        assert [a.stdout for a in answers] == [f"{phone.serial}\n" for phone in fleet.phones]
        assert len({phone.serial for phone in fleet.phones}) == 50
        for phone in fleet.phones:
            adb("disconnect", phone.address)


def test_a_phone_that_adb_cannot_connect_to_is_told(adb: OwnAdb) -> None:
    with hosted(1) as fleet:
        fleet.phones[0].faults.set(Fault.UNAUTHORIZED)
        with pytest.raises(AdbRefused, match="failed to authenticate"):
            asyncio.run(fleet.connect_adb(adb.path, adb.port))
        adb("disconnect", fleet.phones[0].address)


def test_a_hundred_phones_have_longer_serial_numbers() -> None:
    async def serials() -> list[str]:
        fleet = Fleet()
        phones = await fleet.start(3, first_serial=99)
        await fleet.stop()
        return [phone.serial for phone in phones]

    assert asyncio.run(serials()) == ["phone_99", "phone_100", "phone_101"]


@pytest.mark.parametrize("count", [0, -1, 2_001])
def test_a_silly_number_of_phones_is_refused(count: int) -> None:
    with pytest.raises(ValueError, match="a fleet has 1 to 2000 phones"):
        asyncio.run(Fleet().start(count))


def test_a_phone_whose_port_was_taken_while_away_comes_back_later() -> None:
    with hosted(1) as fleet:
        phone = fleet.phones[0]
        place = ("127.0.0.1", int(phone.address.rpartition(":")[2]))
        phone.faults.set(Fault.DROP)
        wait_until(lambda: not answers_at(place), "the port is free")
        with socket.create_server(place):
            phone.faults.clear()
        wait_until(lambda: answers_at(place), "the phone listens again")


def answers_at(place: tuple[str, int]) -> bool:
    try:
        socket.create_connection(place, timeout=5).close()
    except ConnectionError:
        return False
    return True


def ask(port: int, *lines: bytes) -> list[dict[str, Any]]:
    """One connection, every line in turn."""
    with (
        socket.create_connection(("127.0.0.1", port), timeout=10) as connection,
        connection.makefile("rwb") as stream,
    ):
        answers = []
        for line in lines:
            stream.write(line + b"\n")
            stream.flush()
            answers.append(json.loads(stream.readline()))
        return answers


def test_the_control_port_switches_faults_of_a_phone_that_answers_no_shell() -> None:
    with hosted(2) as fleet:
        hung, state, other, cleared = ask(
            fleet.control_port,
            b'{"phone": "phone_01", "fault": "hang", "seconds": 60}',
            b'{"phone": "phone_01", "state": true}',
            b'{"phone": "phone_02", "state": true}',
            b'{"phone": "phone_01", "clear": true}',
        )
        assert hung == {"ok": True, "phone": "phone_01"}
        assert (state["faults"], other["faults"]) == (["hang"], [])
        assert state["app"]["accounts"] == {}
        assert cleared["ok"]
        assert fleet.phones[0].faults.on() == []


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b'{"phone": "phone_09", "state": true}', "no phone phone_09"),
        (b'{"phone": "phone_01", "fault": "hang", "seconds": -1}', "a fault lasts"),
        (b'{"phone": "phone_01", "fault": "hang", "seconds": "9"}', "seconds is a number"),
        (b'{"phone": "phone_01", "fault": "melt"}', "not a valid Fault"),
        (b'{"phone": "phone_01", "fault": ["hang"]}', "not a valid Fault"),
        (b'{"phone": "phone_01", "fault": "hang", "seconds": NaN}', "seconds is a number"),
        (b'{"phone": "phone_01"}', "an order has one of"),
        (b"[]", "an order is an object"),
        (b'{"phone": "phone_01", "fault": "slow", "ms": Infinity}', "ms is a number"),
        (b"nonsense", "Expecting value"),
        (b"[" * 9_000, "recursion"),
        (b"\xff\xfe", "codec"),
    ],
)
def test_a_bad_order_is_answered_with_its_error(line: bytes, said: str) -> None:
    with hosted(1) as fleet:
        bad, good = ask(fleet.control_port, line, b'{"phone": "phone_01", "state": true}')
        assert not bad["ok"]
        assert said in bad["error"]
        assert good["faults"] == []


@contextmanager
def simulator(*options: str, env: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "procession.simulator", *options]
    with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True) as running:
        try:
            yield running
        finally:
            running.kill()


def test_the_program_says_where_its_phones_are_and_stops_when_told(adb: OwnAdb) -> None:
    options = ("--phones", "2", "--json", "--connect", "--adb", adb.path, "--adb-port")
    with simulator(*options, str(adb.port), env=adb.env) as running:
        assert running.stdout is not None
        told = json.loads(running.stdout.readline())
        addresses = [phone["address"] for phone in told["phones"]]
        assert [phone["serial"] for phone in told["phones"]] == ["phone_01", "phone_02"]
        assert [adb.devices()[address] for address in addresses] == ["device", "device"]
        assert ask(told["control_port"], b'{"phone":"phone_02","state":true}')[0]["ok"]
        running.send_signal(signal.SIGTERM)
        assert running.wait(START_SECONDS_MAX) == 0
        for address in addresses:
            adb("disconnect", address)


def test_a_taken_port_ends_the_program_with_a_sentence(adb: OwnAdb) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        command = [sys.executable, "-m", "procession.simulator", "--port", port]
        ended = subprocess.run(
            command, env=adb.env, capture_output=True, text=True, timeout=30, check=False
        )
    assert ended.returncode == 1
    assert "address already in use" in ended.stderr.lower()
    assert "Traceback" not in ended.stderr
