"""Every seed has its scene, and whoever reads of a failed round knows how to play it again."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import cables
import pytest
import rounds
import small_disk
import wrong_clocks
from rounds import SCENES, RoundFailed

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "faults.md").read_text(encoding="utf-8")
NAMES = {
    "kills, SQLite": "sqlite",
    "kills, PostgreSQL": "postgres",
    "partitions": "cables",
    "full disks": "disk",
    "clocks": "clock",
}


def test_ten_seeds_have_every_scene() -> None:
    assert len(SCENES) == 10
    assert set(SCENES) == {"sqlite", "postgres", "cables", "disk", "clock"}


def test_the_page_says_which_seeds_are_whose() -> None:
    for title, scene in NAMES.items():
        (row,) = [line for line in PAGE.splitlines() if line.startswith(f"| {title} |")]
        told = [int(digit) for digit in row.rstrip(" |").rpartition("|")[2].split(",")]
        assert told == [number for number in range(10) if SCENES[number] == scene]


def test_a_failed_round_says_how_to_play_it_again() -> None:
    told = str(RoundFailed("sqlite", 31, ["kill_run"], AssertionError("two ends")))
    assert "seed 31 (sqlite: kill_run): AssertionError: two ends" in told
    command = told.rpartition("play it again: ")[2]
    assert command in PAGE
    planned = subprocess.run(
        [*command.split(), "--dry-run"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert "PROCESSION_FAULT_ROUNDS=1 PROCESSION_FAULT_SEED=31" in planned.stdout
    assert "tests/campaign" in planned.stdout


def test_the_short_version_has_fifty_rounds() -> None:
    assert f"# {rounds.ROUNDS_SHORT} rounds" in PAGE


def test_what_needs_root_is_skipped_with_its_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getuid", lambda: 1000)
    monkeypatch.delenv("CI", raising=False)
    for why in (cables.WHY_NOT, small_disk.WHY_NOT):
        with pytest.raises(pytest.skip.Exception, match="need root"):
            cables.require_root(why)


def test_where_everything_must_be_tested_it_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getuid", lambda: 1000)
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="need root"):
        cables.require_root(cables.WHY_NOT)
    monkeypatch.setattr(wrong_clocks, "LIBRARY", "/nowhere/libfaketime.so.1")
    with pytest.raises(pytest.fail.Exception, match="libfaketime"):
        wrong_clocks.require_library()
