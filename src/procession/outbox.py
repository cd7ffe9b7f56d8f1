"""The callbacks a process owes: taken by the sender, listed, sent again by hand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from msgspec.json import decode
from msgspec.structs import replace

from procession.caller import Caller
from procession.core.errors import NotFound
from procession.core.process import Process
from procession.engine import Engine
from procession.operations import Sight, find, sight
from procession.store.connection import Row
from procession.store.rows import standing_of, text_of
from procession.store.turn import Turn
from procession.webhooks.delivery import Answer, Delivery
from procession.webhooks.sender import Outcome, Start

TRIES_KEPT = 20
ANSWER_CHARS_KEPT = 500

BodyOf = Callable[[Sight, str, int], bytes]
"""The body of a callback: the record, the milestone, when it was emitted (ms)."""


class DeliveryRead(NamedTuple):
    """One delivery of a process; `tries` is a JSON list of what came of each."""

    delivery_id: int
    seq: int
    milestone: str
    state: str
    attempt: int
    due_ms: int | None
    emitted_ms: int
    tries: str


class StoredOutbox:
    """The sender's view of the delivery table; every write goes through the ledger."""

    def __init__(self, engine: Engine, body_of: BodyOf) -> None:
        self._engine = engine
        self._body_of = body_of

    async def due(self, now_ms: int, limit: int, busy: frozenset[str]) -> list[Delivery]:
        found = await self._engine.store.connection.fetch(
            "due_deliveries", now_ms=now_ms, limit=limit, busy=sorted(busy)
        )
        deliveries = []
        for row in found:
            process = await self._engine.store.process(row[1])
            if process is not None:
                deliveries.append(await self._delivery(row, process))
        return deliveries

    async def _delivery(self, row: Row, process: Process) -> Delivery:
        delivery_id, process_id, seq, origin, attempt, milestone, at_ms, standing = row
        then = replace(process, version=seq, standing=standing_of(standing))
        seen = replace(await sight(self._engine, then), wait_reason=None)
        return Delivery(
            delivery_id=delivery_id,
            process_id=process_id,
            seq=seq,
            attempt=attempt,
            url=process.request.callback_url,
            origin=origin,
            milestone=milestone,
            body=self._body_of(seen, milestone, at_ms),
            emitted_ms=at_ms,
        )

    async def begin(self, starts: Sequence[Start], now_ms: int) -> set[int]:
        async def run(turn: Turn) -> set[int]:
            begun = set()
            for start in starts:
                ours = await turn.store.connection.execute(
                    "begin_delivery",
                    delivery_id=start.delivery_id,
                    attempt_before=start.attempt,
                    due_ms=start.next_ms,
                )
                if ours:
                    begun.add(start.delivery_id)
            return begun

        return await self._engine.ledger.errand(run)

    async def record(self, outcomes: Sequence[Outcome], now_ms: int) -> None:
        async def run(turn: Turn) -> None:
            for outcome in outcomes:
                await _record(turn, outcome, now_ms)

        await self._engine.ledger.errand(run)


async def _record(turn: Turn, outcome: Outcome, now_ms: int) -> None:
    connection = turn.store.connection
    delivery_id, attempt = outcome.delivery_id, outcome.attempt
    found = await connection.fetch("delivery_tries", delivery_id=delivery_id, attempt=attempt)
    if not found:
        return
    tries = [*decode(found[0][0]), _try_of(outcome.answer, attempt, now_ms)][-TRIES_KEPT:]
    await connection.execute(
        "record_delivery",
        delivery_id=delivery_id,
        attempt=attempt,
        state=outcome.state.value,
        due_ms=outcome.next_ms,
        tries=text_of(tries),
    )


def _try_of(answer: Answer, attempt: int, now_ms: int) -> dict[str, Any]:
    return {
        "attempt": attempt,
        "at_ms": now_ms,
        "status": answer.status,
        "error": answer.error,
        "duration_ms": answer.duration_ms,
        "answer": answer.head.decode(errors="replace")[:ANSWER_CHARS_KEPT],
    }


async def list_deliveries(engine: Engine, caller: Caller, process_id: str) -> list[DeliveryRead]:
    """The delivery log of a process. Raises NotFound."""
    await find(engine, caller, process_id)
    found = await engine.store.connection.fetch("list_deliveries", process_id=process_id)
    return [DeliveryRead(*row) for row in found]


async def resend(engine: Engine, caller: Caller, process_id: str, delivery_id: int) -> None:
    """Send a delivery again, at once and with a fresh schedule. Raises NotFound."""
    await find(engine, caller, process_id)

    async def run(turn: Turn) -> None:
        values = {"process_id": process_id, "delivery_id": delivery_id, "now_ms": turn.now_ms}
        execute = turn.store.connection.execute
        if not await execute("hasten_delivery", **values) and not await execute(
            "resend_delivery", **values
        ):
            raise NotFound
        turn.topics.add(("deliveries",))

    await engine.ledger.errand(run)
