"""What tests of several folders share lies beside this file, which puts it on the path."""

from __future__ import annotations

import os
import sys

import pytest
from hypothesis import settings

# How long an example takes says how busy the machine is.
settings.register_profile("procession", deadline=None)
settings.load_profile("procession")

# Hundreds of programs are started: what they import is compiled once, not by each.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

LONGEST_FIRST = ("simulation", "campaign", "bench", "e2e", "web", "cli", "store", "agent")
"""Folders whose files take long: begun last, they would keep one worker busy, the others idle."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep the order within a folder, and begin with the folders that take longest."""
    items.sort(key=_place)


def _place(item: pytest.Item) -> int:
    folder = item.path.parent.name
    return LONGEST_FIRST.index(folder) if folder in LONGEST_FIRST else len(LONGEST_FIRST)
