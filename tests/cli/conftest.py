"""A server and an agent that tests of one file share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from run_program import eventually
from whole_stage import LANES, Stage


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with ExitStack() as stack:
        made = Stage(tmp_path_factory.mktemp("stage"), stack)
        eventually(lambda: len(made.phones()) == len(LANES))
        yield made
