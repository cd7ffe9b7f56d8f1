"""The processes and items that histories begin with."""

from __future__ import annotations

from plans import Shape

from procession.core.process import EMPTY, Item, Process, Request, item_id_of
from procession.core.states import ItemState

PHONES = ("p0", "p1", "p2")
SCHEDULED_MS = 10 * 86_400_000


def new_process(shape: Shape, process_id: str, now_ms: int) -> Process:
    """A process before it is accepted."""
    return Process(
        process_id=process_id,
        tenant_id=1,
        namespace="default",
        process_type="echo",
        system="test",
        request_id=process_id,
        created_ms=now_ms,
        request=Request(
            face="execution",
            inputs=EMPTY,
            requested_by=EMPTY,
            attempts_max=shape.attempts_max,
            lost_max=shape.lost_max,
            time_limit_ms=shape.time_limit_ms,
            on_interrupted=shape.on_interrupted,
        ),
    )


def new_item(shape: Shape, process_id: str, position: int, now_ms: int) -> Item:
    """Every second item waits for a phone of its own, the others for any."""
    phone_id = PHONES[position] if position % 2 else None
    return Item(
        item_id=item_id_of(process_id, position),
        process_id=process_id,
        tenant_id=1,
        capability="echo",
        queue=f"phone/{phone_id}" if phone_id else "phones",
        state=ItemState.SCHEDULED if shape.scheduled else ItemState.QUEUED,
        due_ms=now_ms + SCHEDULED_MS if shape.scheduled else None,
        attempts_max=shape.attempts_max,
        phone_id=phone_id,
    )
