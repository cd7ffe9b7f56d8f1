"""`procession simulate`: phones that a real adb sees, until it is told to stop."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path

import pytest
from own_server import OwnServer
from run_program import Running, eventually, run


def test_its_phones_are_connected_and_leave_with_it(tmp_path: Path) -> None:
    with closing(OwnServer(tmp_path)) as adb:
        words = ("simulate", "--json", "--adb-port", str(adb.port))
        with closing(Running(tmp_path / "log", *words, phones="2")) as phones:
            said = json.loads(phones.line())
            assert [one["serial"] for one in said["phones"]] == ["phone_01", "phone_02"]
            shown = {one["address"]: "device" for one in said["phones"]}
            assert eventually(lambda: adb.devices() == shown)
            found = run("doctor", "--json", "--adb-port", str(adb.port)).json["findings"]
            phones_found = [one for one in found if one["name"] == "phone"]
            assert {one["found"] for one in phones_found} == shown.keys()
            assert phones.end() == 0
        assert "Traceback" not in phones.log.read_text()


def test_without_connect_it_needs_no_adb(tmp_path: Path) -> None:
    words = ("simulate", "--no-connect", "--adb-path", "/nowhere/adb")
    with closing(Running(tmp_path / "log", *words)) as phones:
        assert phones.line().split()[0] == "phone_01"
        assert phones.line().split()[0] == "control"
        assert phones.end() == 0


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (("--phones", "0"), "1 to"),
        (("--adb-path", "/nowhere/adb", "--phones", "1"), "/nowhere/adb"),
    ],
)
def test_what_cannot_start_says_why(words: tuple[str, ...], named: str) -> None:
    ran = run("simulate", *words)
    assert ran.status == 1
    assert named in ran.complaint
