"""What the sinks of a task are owed, read from its process as it stood after its last event."""

from __future__ import annotations

from msgspec.json import decode

from procession.core.process import Process
from procession.core.states import State
from procession.engine import Engine
from procession.forms.blocks import Definition
from procession.forms.definition import stored_definition
from procession.sinks.body import TaskEnded
from procession.sinks.carrier import SinkDelivery, address_of
from procession.sinks.definitions import Event, decode_sinks
from procession.tasks import Asked
from procession.webhooks.delivery import Delivery

_EVENTS: dict[State, Event] = {
    State.COMPLETED: "completed",
    State.CANCELLED: "cancelled",
    State.FAILED: "failed",
}


async def owed(engine: Engine, process: Process, place: int, told: Delivery) -> SinkDelivery:
    """The delivery `told` as one to the task's sink at `place`, counted from 1."""
    asked = decode(process.request.inputs, type=Asked)
    form = stored_definition(bytes(asked.form))
    sink = decode_sinks(bytes(asked.sinks))[place - 1]
    return SinkDelivery(
        delivery_id=told.delivery_id,
        process_id=told.process_id,
        seq=told.seq,
        attempt=told.attempt,
        url=address_of(sink),
        origin=told.origin,
        milestone=told.milestone,
        body=b"",
        emitted_ms=told.emitted_ms,
        due_ms=told.due_ms,
        sink=sink,
        ended=await _ended(engine, process, form, told.emitted_ms),
        place=place,
    )


async def _ended(engine: Engine, process: Process, form: Definition, at_ms: int) -> TaskEnded:
    standing = process.standing
    row = await engine.store.connection.fetch(
        "correlation_of", tenant_id=process.tenant_id, task_id=process.request_id
    )
    reason = standing.cancel.reason if standing.cancel else None
    if standing.error is not None:
        reason = standing.error.message
    done = standing.state is State.COMPLETED
    return TaskEnded(
        event=_EVENTS[standing.state],
        task_id=process.request_id,
        at_ms=at_ms,
        title=form.title,
        correlation_key=row[0][0] if row else None,
        data=decode(standing.result) if done else None,
        reason=None if done else reason,
        form=form,
    )
