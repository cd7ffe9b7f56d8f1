"""A quarter of the thousand worlds, in a file of its own so that quarters run side by side."""

from __future__ import annotations

import pytest

from simulation.program import require_quiet


@pytest.mark.timeout(400)
def test_nothing_breaks_in_any_world() -> None:
    require_quiet("--from", "750", "--seeds", "250", "--jobs", "1")
