"""The measurements can be taken; what they come to is looked at by people."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
RUN_S_MAX = 100


def bench(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "bench", *words],
        cwd=ROOT,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=RUN_S_MAX,
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
