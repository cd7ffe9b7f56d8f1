"""The callbacks a process owes: taken by the sender, listed, sent again by hand."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from msgspec.json import decode
from msgspec.structs import replace

from procession.caller import Caller
from procession.core.errors import NotFound
from procession.core.states import ItemState
from procession.engine import Engine
from procession.operations import Sight, find, sight
from procession.sinking import owed
from procession.store.connection import Row, Topic
from procession.store.rows import process_of, text_of
from procession.store.turn import Turn
from procession.webhooks.delivery import Answer, Delivery, Outcome, Start

TRIES_KEPT = 20
ANSWER_CHARS_KEPT = 500
SENT_AGAIN: Topic = ("deliveries", "again")
"""Something was sent again by hand: hosts that rest are tried at once."""

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
    origin: str
    """Where it goes: scheme, host and port, or `nats:`, `mailto:`."""


class StoredOutbox:
    """The sender's view of the delivery table; every write goes through the ledger."""

    def __init__(self, engine: Engine, body_of: BodyOf) -> None:
        self._engine = engine
        self._body_of = body_of

    async def origins(self, after: str, limit: int) -> list[tuple[str, int]]:
        fetch = self._engine.store.connection.fetch
        return [(row[0], row[1]) for row in await fetch("due_origins", after=after, limit=limit)]

    async def due(self, origin: str, now_ms: int, limit: int) -> list[Delivery]:
        found = await self._engine.store.connection.fetch(
            "due_deliveries", origin=origin, now_ms=now_ms, limit=limit
        )
        return [await self._delivery(row, origin) for row in found]

    async def _delivery(self, row: Row, origin: str) -> Delivery:
        delivery_id, attempt, due_ms, milestone, at_ms, sink = row[12:]
        process = process_of(row)
        delivery = Delivery(
            delivery_id=delivery_id,
            process_id=process.process_id,
            seq=process.version,
            attempt=attempt,
            url=process.request.callback_url,
            origin=origin,
            milestone=milestone,
            body=b"",
            emitted_ms=at_ms,
            due_ms=due_ms,
        )
        if sink:
            return await owed(self._engine, process, sink, delivery)
        seen = Sight(process, [], None)
        if process.count(ItemState.COMPLETED):
            seen = replace(await sight(self._engine, process), wait_reason=None)
        return dataclasses.replace(delivery, body=self._body_of(seen, milestone, at_ms))

    async def begin(self, starts: Sequence[Start]) -> set[int]:
        async def run(turn: Turn) -> set[int]:
            begun = set()
            for start in starts:
                delivery = start.delivery
                ours = await turn.store.connection.execute(
                    "begin_delivery",
                    delivery_id=delivery.delivery_id,
                    attempt=delivery.attempt,
                    due_ms=delivery.due_ms,
                    next_ms=start.next_ms,
                )
                if ours:
                    begun.add(delivery.delivery_id)
            return begun

        return await self._engine.ledger.errand(run)

    async def record(
        self, outcomes: Sequence[Outcome], now_ms: int, untried: Sequence[Delivery] = ()
    ) -> None:
        async def run(turn: Turn) -> None:
            await _record(turn, outcomes, now_ms)
            for delivery in untried:
                await turn.store.connection.execute(
                    "release_delivery",
                    delivery_id=delivery.delivery_id,
                    attempt=delivery.attempt,
                    due_ms=delivery.due_ms,
                )

        await self._engine.ledger.errand(run)


async def _record(turn: Turn, outcomes: Sequence[Outcome], now_ms: int) -> None:
    connection = turn.store.connection
    ids = [outcome.delivery_id for outcome in outcomes]
    found = await connection.fetch("delivery_tries", delivery_numbers=ids)
    logs = {(delivery_id, attempt): tries for delivery_id, attempt, tries in found}
    for outcome in outcomes:
        delivery_id, attempt = outcome.delivery_id, outcome.attempt
        log = logs.get((delivery_id, attempt))
        if log is None:
            continue
        tries = [*decode(log), _try_of(outcome.answer, attempt, now_ms)][-TRIES_KEPT:]
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
        turn.topics.add(SENT_AGAIN)

    await engine.ledger.errand(run)
