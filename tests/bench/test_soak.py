"""A short soak: work goes on beside pruning, and what is pruned leaves nothing behind."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
RUN_S_MAX = 100
SECONDS = 5


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_work_and_pruning_keep_pace_and_cost_no_more_at_the_end(
    database: str, tmp_path: Path
) -> None:
    file = tmp_path / "soak.json"
    words = [
        "--seconds",
        str(SECONDS),
        "--retention-s",
        "1",
        "--only",
        database,
        "--json",
        str(file),
    ]
    done = subprocess.run(
        [sys.executable, "-m", "bench.soak", *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=RUN_S_MAX,
        check=False,
    )
    # Its own verdict is about speed too, which tests that share the machine cannot judge.
    assert file.exists(), done.stderr
    (soaked,) = json.loads(file.read_text())
    fifths = soaked["fifths"]
    assert len(fifths) == 5
    assert all(fifth["per_s"] > 0 for fifth in fifths)
    assert fifths[-1]["cpu_us"] < 2 * fifths[0]["cpu_us"]
    assert fifths[-1]["memory_mib"] < fifths[0]["memory_mib"] + 24
    ended = sum(fifth["per_s"] for fifth in fifths) * SECONDS / 5
    assert fifths[-1]["processes"] < max(ended, 2_500)
