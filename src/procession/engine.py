"""What every operation works with: the ledger to write, the store to read, the wake-ups, time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from procession.settings import Settings
from procession.store.ledger import Ledger
from procession.store.store import Store
from procession.wakeup import Wakeup


@dataclass(frozen=True, slots=True)
class Engine:
    """One server process's hold on the core; nothing in it is global."""

    ledger: Ledger
    store: Store
    wakeup: Wakeup
    settings: Settings
    now_ms: Callable[[], int]
    chance: Callable[[], float]
    new_id: Callable[[int], str]
    lives: dict[int, tuple[int, bool]] = field(default_factory=dict)
    """By tenant: until when (ms) to believe whether any agent shows a phone of its."""
