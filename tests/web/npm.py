"""Runs the web part's own programs."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]
WEB = ROOT / "web" / "monitor"
TRAY = ROOT / "examples" / "job-tray"
RUN_S_MAX = 280


def npm(folder: Path, *words: str, **settings: str) -> None:
    """Fails with all that was said when the program fails."""
    done = subprocess.run(
        ["npm", *words],
        cwd=folder,
        env=os.environ | {"NO_COLOR": "1"} | settings,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=RUN_S_MAX,
        check=False,
    )
    assert done.returncode == 0, done.stdout
