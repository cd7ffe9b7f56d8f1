"""The capability `stamp`: its result is when its child began to run it. Offered to server and
agent as a package of its own, the way other packages offer capabilities."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, ClassVar

from msgspec import Struct

from procession.capabilities.capability import (
    MODES,
    NO_BLOCKS,
    ROUTINGS,
    Job,
    Mode,
    OnInterrupted,
    Routing,
)

NAME = "stamp"
PACKAGE = "bench_stamp"


class Stamp:
    """Takes any object; answers `started_ms`, milliseconds since 1970."""

    name: ClassVar[str] = NAME
    Input: ClassVar[type[Struct] | None] = None
    modes: ClassVar[frozenset[Mode]] = MODES
    routings: ClassVar[frozenset[Routing]] = ROUTINGS
    blocked: ClassVar[dict[Mode, str]] = NO_BLOCKS
    needs_phone: ClassVar[bool] = True
    on_interrupted: ClassVar[OnInterrupted] = "retry"
    attempts_max: ClassVar[int] = 3
    time_limit_ms: ClassVar[int] = 60_000

    def run(self, job: Job) -> Any:
        return {"started_ms": time.time_ns() / 1e6}


def offer(folder: Path) -> dict[str, str]:
    """Write the package into the folder; the environment in which programs find it."""
    (folder / f"{PACKAGE}.py").write_text(Path(__file__).read_text())
    about = folder / f"{PACKAGE}-1.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {PACKAGE}\nVersion: 1\n")
    entry = f"[procession.capabilities]\n{NAME} = {PACKAGE}:Stamp\n"
    (about / "entry_points.txt").write_text(entry)
    return {"PYTHONPATH": str(folder)}
