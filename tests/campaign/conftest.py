"""Rounds of faults use the parts that the end-to-end tests are made of."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "e2e"))
pytest.register_assert_rewrite("judgement")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A scene without seeds among the rounds asked for is not there, rather than skipped."""
    items[:] = [item for item in items if not without_seeds(item)]


def without_seeds(item: pytest.Item) -> bool:
    ours = item.path.parent == Path(__file__).parent
    return ours and not getattr(getattr(item, "module", None), "SEEDS", True)
