"""Where the waiting items of a queue begin: below lie only dead rows, until proven otherwise.

While any session holds a transaction open PostgreSQL can sweep nothing, and whoever looks for the
head of a busy queue passes every item that was ever claimed from it since. So a look begins where
the last one found something. It is a hint: what comes back to a queue has its old number, so what
this server puts back makes it forget, and twice a second it looks from the start, for the others.
"""

from __future__ import annotations

WHOLE_EVERY_MS = 500
QUEUES_MAX = 10_000


class Marks:
    """Of the queues one server looks into."""

    def __init__(self) -> None:
        self._queues: dict[tuple[int, str], tuple[int, int]] = {}
        """By tenant and queue: the number found last, and when it was looked from the start."""

    def begin(self, tenant_id: int, queue: str, now_ms: int) -> int:
        """The number to look from; 0 is the start."""
        number, looked_ms = self._queues.get((tenant_id, queue), (0, 0))
        if number and 0 <= now_ms - looked_ms < WHOLE_EVERY_MS:
            return number
        if len(self._queues) >= QUEUES_MAX:
            self._queues.clear()
        # Kept meanwhile: a look from the start that finds nothing has found all of it dead.
        self._queues[tenant_id, queue] = (number, now_ms)
        return 0

    def found(self, tenant_id: int, queue: str, number: int) -> None:
        """The lowest number a look has found."""
        _, looked_ms = self._queues.get((tenant_id, queue), (0, 0))
        self._queues[tenant_id, queue] = (number, looked_ms)

    def forget(self, tenant_id: int, queue: str) -> None:
        """Something came back to this queue."""
        self._queues.pop((tenant_id, queue), None)
