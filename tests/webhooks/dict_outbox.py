"""An outbox held in a dict: its promises in the fewest lines, so that the sender is under test."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from procession.webhooks.delivery import Delivery, DeliveryState
from procession.webhooks.sender import Outcome, Start


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
        self.calls = 0

    def add(self, url: str, seq: int = 1, process_id: str = "p1", next_ms: int = 0) -> int:
        number = len(self.rows) + 1
        origin = url if "://" not in url else "/".join(url.split("/", 3)[:3])
        body = f'{{"seq":{seq}}}'.encode()
        delivery = Delivery(number, process_id, seq, 0, url, origin, "accepted", body, next_ms)
        self.rows[number] = Row(delivery, next_ms)
        return number

    async def due(self, now_ms: int, limit: int, busy: frozenset[str]) -> list[Delivery]:
        self.calls += 1
        rows = [
            row
            for row in self.rows.values()
            if row.state == DeliveryState.PENDING
            and row.next_ms <= now_ms
            and row.delivery.origin not in busy
            and not self._is_behind(row, now_ms)
        ]
        rows.sort(key=lambda row: (row.next_ms, row.delivery.process_id, row.delivery.seq))
        return [row.delivery for row in rows[:limit]]

    def _is_behind(self, row: Row, now_ms: int) -> bool:
        return any(
            other.state == DeliveryState.PENDING
            and other.recorded == 0
            and other.delivery.attempt == 1
            and other.next_ms > now_ms
            and other.delivery.seq < row.delivery.seq
            and other.delivery.process_id == row.delivery.process_id
            and other.delivery.url == row.delivery.url
            for other in self.rows.values()
        )

    async def begin(self, starts: Sequence[Start], now_ms: int) -> set[int]:
        ours: set[int] = set()
        for start in starts:
            row = self.rows[start.delivery_id]
            if row.state == DeliveryState.PENDING and row.delivery.attempt == start.attempt:
                row.delivery = replace(row.delivery, attempt=start.attempt + 1)
                row.next_ms = start.next_ms
                self.starts.append(start)
                ours.add(start.delivery_id)
        return ours

    async def record(self, outcomes: Sequence[Outcome], now_ms: int) -> None:
        for outcome in outcomes:
            row = self.rows[outcome.delivery_id]
            if row.state == DeliveryState.PENDING and row.delivery.attempt == outcome.attempt:
                row.state = outcome.state
                row.recorded += 1
                row.next_ms = outcome.next_ms if outcome.next_ms is not None else row.next_ms
                self.outcomes.append(outcome)
