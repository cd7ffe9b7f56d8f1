"""Where an agent under test finds the capabilities that misbehave for it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from procession.capabilities import registry

PLUGINS = Path(__file__).parent / "plugins"


@pytest.fixture(autouse=True)
def misbehaving(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Registered for these tests only, in this process and in those it starts."""
    earlier = filter(None, [os.environ.get("PYTHONPATH")])
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(PLUGINS), *earlier]))
    monkeypatch.syspath_prepend(PLUGINS)
    registry._catalog.cache_clear()
    yield
    registry._catalog.cache_clear()
