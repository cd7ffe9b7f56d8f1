"""`procession doctor`: finds what is wrong and says the remedy."""

from __future__ import annotations

import sqlite3
import time
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest
from run_program import run
from whole_stage import Stage

from procession.commands import adb_checks, machine_checks
from procession.commands.server_checks import PROBES, clock


def findings(*words: str, **variables: str) -> tuple[int, dict[str, dict[str, Any]]]:
    ran = run("doctor", "--json", "--adb-port", "1", *words, **variables)
    found = ran.json
    assert found["healthy"] == (ran.status == 0)
    assert all(one["remedy"] for one in found["findings"] if one["state"] != "ok")
    return ran.status, {one["name"]: one for one in found["findings"]}


def test_nothing_wrong_is_status_0(stage: Stage) -> None:
    ran = stage.ask("doctor", "--adb-port", "1")
    assert ran.status == 0, ran.out
    assert "WRONG" not in ran.out
    assert "execution:read, execution:write, fleet:write, worker" in ran.out


def test_its_questions_change_nothing(stage: Stage) -> None:
    before = [stage.ask(*words, "--json").json for words in (("list",), ("fleet", "accounts"))]
    assert stage.ask("doctor", "--adb-port", "1").status == 0
    after = [stage.ask(*words, "--json").json for words in (("list",), ("fleet", "accounts"))]
    assert after == before


def test_a_missing_adb_is_found(stage: Stage) -> None:
    status, found = findings("--adb-path", "/nowhere/adb", server=stage.address)
    assert status == 1
    assert found["adb"]["state"] == "wrong"
    assert "/nowhere/adb" in found["adb"]["found"]
    assert "--adb-path" in found["adb"]["remedy"]
    assert found["server"]["state"] == "ok"


def test_a_program_that_is_not_adb_is_found(stage: Stage) -> None:
    status, found = findings("--adb-path", "/bin/false", server=stage.address)
    assert status == 1
    assert found["adb"]["state"] == "wrong"


def test_an_unreachable_server_is_found() -> None:
    status, found = findings(server="http://127.0.0.1:1")
    assert status == 1
    assert found["server"]["state"] == "wrong"
    assert "procession serve" in found["server"]["remedy"]
    assert "token" not in found


def test_an_unknown_token_is_found(stage: Stage) -> None:
    status, found = findings(server=stage.address, token="unknown" * 10)
    assert status == 1
    assert found["token"]["state"] == "wrong"
    assert "procession token create" in found["token"]["remedy"]


def test_the_scopes_of_a_token_are_told(stage: Stage) -> None:
    database = f"sqlite:///{stage.server.log.parent / 'procession.db'}"
    for scope in PROBES:
        token = run("token", "create", "--scope", scope, "--database", database).out.strip()
        status, found = findings(server=stage.address, token=token)
        assert status == 0
        assert found["token"]["found"] == f"valid, may {scope}"


def test_without_a_token_it_is_not_checked(stage: Stage) -> None:
    status, found = findings(server=stage.address)
    assert status == 0
    assert found["token"]["state"] == "note"


def test_a_database_in_a_folder_that_is_not_there_is_found(stage: Stage) -> None:
    words = ("--database", "sqlite:////nowhere/at/all/p.db")
    status, found = findings(*words, server=stage.address)
    assert status == 1
    assert found["database"]["state"] == found["disk"]["state"] == "wrong"


def test_an_app_profile_that_is_wrong_is_found(stage: Stage, tmp_path: Path) -> None:
    profile = tmp_path / "app.toml"
    profile.write_text("[app]\nname = 5\n")
    status, found = findings(server=stage.address, app_profile=str(profile))
    assert status == 1
    assert found["app profile"]["state"] == "wrong"
    assert str(profile) in found["app profile"]["found"]


def test_old_versions_are_found() -> None:
    assert machine_checks.python((3, 10, 9)).state == "wrong"
    assert machine_checks.python((3, 11, 0)).state == "ok"
    assert machine_checks.sqlite((3, 34, 1)).state == "wrong"
    assert machine_checks.sqlite(sqlite3.sqlite_version_info).state == "ok"


def test_its_trial_database_is_taken_away(tmp_path: Path) -> None:
    assert machine_checks.write_ahead(tmp_path).state == "ok"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("state", "remedy"),
    [
        ("unauthorized", "accept"),
        ("offline", "plug it in"),
        ("no permissions (user in plugdev group)", "udev"),
        ("bootloader", "wait"),
    ],
)
def test_what_adb_says_of_a_phone_is_explained(state: str, remedy: str) -> None:
    found = adb_checks.phone("serial", state)
    assert found.state == "wrong"
    assert state in found.found
    assert remedy in found.remedy
    assert adb_checks.phone("serial", "device").state == "ok"


def test_clocks_that_are_apart_are_found() -> None:
    now_s = time.time()
    assert clock({"Date": formatdate(now_s, usegmt=True)}, now_s).state == "ok"
    assert clock({"Date": formatdate(now_s - 60, usegmt=True)}, now_s).state == "wrong"
    assert clock({"Date": formatdate(now_s + 60, usegmt=True)}, now_s).state == "wrong"
    assert clock({}, now_s).state == "note"
