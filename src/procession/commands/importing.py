"""Importing a whole program at once."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def without_collections() -> Iterator[None]:
    """Import within it: what modules are made of stays, so that nobody looks through it for waste.

    Neither meanwhile, which is a quarter of a server's start, nor in any later collection.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
