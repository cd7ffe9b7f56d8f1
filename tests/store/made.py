"""Processes and items as plain as can be, told apart by a number."""

from __future__ import annotations

from procession import clock
from procession.core.process import EMPTY, Item, Process, Request, Standing, item_id_of
from procession.core.states import FINAL, ItemState, State

REQUEST = Request(face="execution", inputs=EMPTY, requested_by=EMPTY)


def made_process(
    number: int,
    *,
    request_id: str = "",
    state: State = State.QUEUED,
    phone_id: str | None = None,
    account_id: str | None = None,
    items: int = 1,
) -> Process:
    """Version 1, in any state."""
    return Process(
        process_id=clock.new_id(1_000_000 + number),
        tenant_id=1,
        namespace="default",
        process_type="echo",
        system="test",
        request_id=request_id or f"request-{number}",
        created_ms=number,
        request=REQUEST,
        version=1,
        standing=Standing(
            state=state,
            tally={"run": {ItemState.QUEUED: items}},
            phone_id=phone_id,
            account_id=account_id,
            finished_ms=1 if state in FINAL else None,
        ),
    )


def made_item(process: Process, position: int, queue: str = "phones") -> Item:
    """Waiting in its queue."""
    return Item(
        item_id=item_id_of(process.process_id, position),
        process_id=process.process_id,
        tenant_id=process.tenant_id,
        capability="echo",
        queue=queue,
    )
