"""The simulation as a program, as its tests run it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

TESTS = Path(__file__).parent.parent
DEADLINE_S = 380.0
"""A quarter takes ten to forty seconds on a machine that has nothing else to do."""


def simulate(*arguments: str) -> subprocess.CompletedProcess[str]:
    """`python -m simulation` with these arguments."""
    path = os.pathsep.join([str(TESTS), *filter(None, [os.environ.get("PYTHONPATH")])])
    return subprocess.run(
        [sys.executable, "-m", "simulation", *arguments],
        env=os.environ | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )


def require_quiet(*arguments: str) -> None:
    """Nothing was found; what was is shown with how to see it again."""
    ended = simulate(*arguments)
    assert ended.returncode == 0, f"\n{ended.stdout}\n{ended.stderr}"
