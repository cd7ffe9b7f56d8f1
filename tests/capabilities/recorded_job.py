"""A job whose waits take no time, and which remembers what the run told it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from procession.capabilities.capability import Phone, RunStopped
from procession.capabilities.registry import decode_inputs, find


class RecordedJob:
    """Is told to stop once `stop_when(job)` is true; `waited_s` is the time it would have taken."""

    process_id, item_id, attempt = "process-1", "item-1", 1

    def __init__(
        self,
        capability: str,
        inputs: dict[str, Any],
        phone: Phone | None = None,
        account_id: str | None = "acc one/&ä",
        attempt: int = 1,
        stop_when: Callable[[RecordedJob], bool] = lambda job: False,
    ) -> None:
        self.capability = capability
        self.input = decode_inputs(find(capability), msgspec.json.encode(inputs))
        self.phone, self.account_id, self.attempt = phone, account_id, attempt
        self._stop_when = stop_when
        self.reports: list[tuple[float, str]] = []
        self.lines: list[str] = []
        self.waited_s = 0.0

    @property
    def stopping(self) -> bool:
        return self._stop_when(self)

    def progress(self, percent: float, message: str = "") -> None:
        self._obey()
        self.reports.append((percent, message))

    def wait(self, seconds: float) -> None:
        self._obey()
        self.waited_s += seconds
        self._obey()

    def log(self, text: str) -> None:
        self.lines.append(text)

    def run(self) -> Any:
        return find(self.capability).run(self)

    def _obey(self) -> None:
        if self.stopping:
            raise RunStopped
