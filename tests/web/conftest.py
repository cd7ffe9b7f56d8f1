"""What the web part is tested against: a server and a worker of the end-to-end tests' parts."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "tests" / "e2e"), str(ROOT / "tests" / "jobs")]

if TYPE_CHECKING:
    from importing import Office

READY = ROOT / "web" / "monitor" / "node_modules" / "ready"
LANES = 48
"""The tests leave jobs behind that sleep for 30 s, each in a lane of its own."""


@pytest.fixture(scope="session", autouse=True)
def node() -> None:
    """Skip, with the reason; but where everything must be tested (CI=true) fail."""
    if READY.exists():
        return
    why = "the web part is left out: `make test` installs its packages where Node.js is"
    if os.environ.get("CI") == "true":
        pytest.fail(why)
    pytest.skip(why)


@pytest.fixture(scope="module")
def office(node: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    from importing import Office

    one = Office(tmp_path_factory.mktemp("office"), lanes=LANES)
    yield one
    one.end()
