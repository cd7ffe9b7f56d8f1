"""What is asked for in the simulated world: one capability for each way to be interrupted."""

from __future__ import annotations

from typing import Any

from procession.capabilities.echo import Echo
from procession.capabilities.registry import Catalog


class Again(Echo):
    """An interrupted run is tried again."""

    name = "again"
    on_interrupted = "retry"
    time_limit_ms = 12_000


class Once(Echo):
    """An interrupted run has failed."""

    name = "once"
    on_interrupted = "fail"
    time_limit_ms = 12_000


class Asking(Echo):
    """About an interrupted run a person is asked."""

    name = "asking"
    on_interrupted = "ask_human"
    time_limit_ms = 12_000


_ALL: tuple[Any, ...] = (Again(), Once(), Asking())
CATALOG = Catalog({one.name: one for one in _ALL}, {})
NAMES = sorted(CATALOG.capabilities)
