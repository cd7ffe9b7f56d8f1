"""The measurements can be taken; what they come to is looked at by people."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
RUN_S_MAX = 100
MANY_RUNS_S_MAX = 220


def bench(
    *words: str, s_max: float = RUN_S_MAX, **environment: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "bench", *words],
        cwd=ROOT,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=s_max,
        check=False,
    )


def test_a_quick_run_measures_ours_and_both_others_and_saves_every_value(tmp_path: Path) -> None:
    file = tmp_path / "bench.json"

    done = bench("--quick", "--only", "submissions,protocol", "--json", str(file))

    assert done.returncode == 0, done.stderr
    saved = json.loads(file.read_text())
    assert "cores" in saved["machine"]
    submissions, protocol = saved["tables"]
    names = [row["name"].split()[-1] for row in submissions["rows"]]
    assert names == ["procession", "constant", "naive"]
    for row in submissions["rows"] + protocol["rows"]:
        assert row["values"]
        assert min(row["values"]) > 0, row
        assert row["name"] in done.stdout


def test_without_the_load_generator_it_says_what_installs_it(tmp_path: Path) -> None:
    done = bench("--quick", "--only", "submissions", PATH=str(tmp_path))

    assert done.returncode == 1
    assert "scripts/system-deps" in done.stderr


def test_a_part_that_does_not_exist_is_refused_by_name() -> None:
    done = bench("--only", "speed")

    assert done.returncode == 2
    assert "no such part: speed" in done.stderr


@pytest.mark.timeout(MANY_RUNS_S_MAX + 20)
def test_without_the_peers_ours_is_measured_and_each_peer_is_named(
    tmp_path: Path,
) -> None:
    file = tmp_path / "bench.json"

    words = ("--quick", "--only", "peers", "--json", str(file))
    done = bench(*words, s_max=MANY_RUNS_S_MAX, BENCH_PEERS=str(tmp_path))

    assert done.returncode == 0, done.stderr
    who, *columns = json.loads(file.read_text())["tables"]
    for peer in ("procrastinate", "pgqueuer", "dbos", "oban", "celery", "dramatiq"):
        assert f"{peer}: not installed" in who["text"]
    assert len(columns) == 3
    for column in columns:
        assert column["rows"][0]["name"] == "ledger alone"
        assert all(min(row["values"]) > 0 for row in column["rows"]), column


def test_the_ledger_and_the_raw_driver_write_the_same_rows_by_every_way(tmp_path: Path) -> None:
    file = tmp_path / "bench.json"

    done = bench("--quick", "--only", "floor,bulk-writing", "--json", str(file))

    assert done.returncode == 0, done.stderr
    floor, ways = json.loads(file.read_text())["tables"]
    assert [row["name"] for row in floor["rows"]] == ["raw driver", "ledger alone"]
    assert "%" in floor["rows"][1]["notes"]["of the floor"]
    assert {row["name"] for row in ways["rows"]} == {"unnest", "executemany", "COPY"}
