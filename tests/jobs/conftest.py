"""One installation for the tests that kill nothing; it is made of the end-to-end tests' parts."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "e2e"))

if TYPE_CHECKING:
    from importing import Office


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    from importing import Office

    one = Office(tmp_path_factory.mktemp("office"), lanes=2)
    yield one
    one.end()
