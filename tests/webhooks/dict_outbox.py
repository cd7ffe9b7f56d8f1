"""An outbox held in a dict: its promises in the fewest lines, so that the sender is under test."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from procession.webhooks.delivery import Delivery, DeliveryState, Outcome, Start


@dataclass
class Row:
    delivery: Delivery
    next_ms: int
    state: DeliveryState = DeliveryState.PENDING
    recorded: int = 0


class DictOutbox:
    """The outbox's promises in the fewest lines, so that the sender alone is under test."""

    def __init__(self) -> None:
        self.rows: dict[int, Row] = {}
        self.outcomes: list[Outcome] = []
        self.starts: list[Start] = []
        self.released: list[int] = []
        self.calls = 0

    def add(
        self,
        url: str,
        seq: int = 1,
        process_id: str = "p1",
        next_ms: int = 0,
        origin: str | None = None,
    ) -> int:
        number = len(self.rows) + 1
        origin = origin or "/".join(url.split("/", 3)[:3])
        body = f'{{"seq":{seq}}}'.encode()
        delivery = Delivery(
            number, process_id, seq, 0, url, origin, "accepted", body, next_ms, next_ms
        )
        self.rows[number] = Row(delivery, next_ms)
        return number

    def waiting(self) -> list[Row]:
        return [row for row in self.rows.values() if row.state == DeliveryState.PENDING]

    async def origins(self, after: str, limit: int) -> list[tuple[str, int]]:
        self.calls += 1
        heads: dict[str, int] = {}
        for row in self.waiting():
            origin = row.delivery.origin
            heads[origin] = min(row.next_ms, heads.get(origin, row.next_ms))
        return sorted(head for head in heads.items() if head[0] > after)[:limit]

    async def due(self, origin: str, now_ms: int, limit: int) -> list[Delivery]:
        held = self._held(now_ms)
        rows = [
            row
            for row in self.waiting()
            if row.next_ms <= now_ms
            and row.delivery.origin == origin
            and row.delivery.seq <= held.get(row.delivery.process_id, row.delivery.seq)
        ]
        rows.sort(key=lambda row: (row.next_ms, row.delivery.delivery_id))
        return [replace(row.delivery, due_ms=row.next_ms) for row in rows[:limit]]

    def _held(self, now_ms: int) -> dict[str, int]:
        """Of each process the first milestone that is in its first try."""
        held: dict[str, int] = {}
        for row in self.waiting():
            if row.recorded == 0 and row.delivery.attempt == 1 and row.next_ms > now_ms:
                seq = row.delivery.seq
                held[row.delivery.process_id] = min(seq, held.get(row.delivery.process_id, seq))
        return held

    async def begin(self, starts: Sequence[Start]) -> set[int]:
        ours: set[int] = set()
        for start in starts:
            asked = start.delivery
            row = self.rows[asked.delivery_id]
            as_read = (row.delivery.attempt, row.next_ms) == (asked.attempt, asked.due_ms)
            if row.state == DeliveryState.PENDING and as_read:
                row.delivery = replace(row.delivery, attempt=asked.attempt + 1)
                row.next_ms = start.next_ms
                self.starts.append(start)
                ours.add(asked.delivery_id)
        return ours

    async def record(
        self, outcomes: Sequence[Outcome], now_ms: int, untried: Sequence[Delivery] = ()
    ) -> None:
        for outcome in outcomes:
            row = self.rows[outcome.delivery_id]
            if row.state == DeliveryState.PENDING and row.delivery.attempt == outcome.attempt:
                row.state = outcome.state
                row.recorded += 1
                row.next_ms = outcome.next_ms if outcome.next_ms is not None else row.next_ms
                self.outcomes.append(outcome)
        for delivery in untried:
            row = self.rows[delivery.delivery_id]
            if row.delivery.attempt == delivery.attempt + 1:
                row.delivery = replace(row.delivery, attempt=delivery.attempt)
                row.next_ms = delivery.due_ms
                self.released.append(delivery.delivery_id)
