"""The environment the peers live in, apart from the product's: `make bench-peers` creates it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from bench.children import BenchFailed

ROOT = Path(__file__).parents[2]
PEERS_FOLDER = "BENCH_PEERS"
"""Names another folder of the environment than `.venv-peers`."""
ON_REDIS = ("celery", "dramatiq")
NAMES = ("procrastinate", "pgqueuer", "dbos", "oban", *ON_REDIS)
RUN_S_MAX = 600.0
SAID_CHARS_MAX = 1_500


def interpreter() -> Path:
    return Path(os.environ.get(PEERS_FOLDER, ROOT / ".venv-peers")) / "bin" / "python"


def installed() -> dict[str, dict[str, str]]:
    """Version and recipe of each peer that can be run here; the others are missing."""
    found = {}
    for name in NAMES:
        try:
            found[name] = peer(name, "about", {})
        except BenchFailed:
            continue
    return found


def peer(name: str, column: str, options: dict[str, Any]) -> dict[str, Any]:
    """One measurement of a peer. Raises BenchFailed."""
    return _said([str(interpreter()), "-m", "bench.peers.run", name, column], options)


def ledger(column: str, options: dict[str, Any]) -> dict[str, Any]:
    """One measurement of our ledger alone. Raises BenchFailed."""
    return _said([sys.executable, "-m", "bench.peers.ours", column], options)


def _said(command: list[str], options: dict[str, Any]) -> dict[str, Any]:
    if not Path(command[0]).exists():
        raise BenchFailed("the peers are not installed: make bench-peers")
    done = subprocess.run(
        [*command, json.dumps(options)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=RUN_S_MAX,
        check=False,
    )
    lines = done.stdout.strip().splitlines()
    if done.returncode or not lines:
        raise BenchFailed(f"{' '.join(command[2:])}: {done.stderr[-SAID_CHARS_MAX:]}")
    found: dict[str, Any] = json.loads(lines[-1])
    return found
