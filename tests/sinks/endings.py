"""Tasks that ended, and a sender that tells of them over a dict."""

from __future__ import annotations

import asyncio
from typing import Protocol

import msgspec
from callback_receiver import GUARD
from dict_outbox import DictOutbox, Row

from procession.forms.definition import parse_definition
from procession.sinks.body import TaskEnded
from procession.sinks.carrier import SinkDelivery, address_of, origin_of
from procession.sinks.definitions import Event, Sink
from procession.webhooks.carrier import Carrier
from procession.webhooks.sender import Sender
from procession.webhooks.visit import Limits


class Closable(Carrier, Protocol):
    """A carrier with connections of its own."""

    async def close(self) -> None: ...


TASK_ID = "3e6f2e7b-4e3c-4c7c-b8d7-0c53d83f9870"
AT_MS = 1_774_168_200_999
S = 1_000
FIELDS = [
    {"name": "ok", "label": "Is it whole?", "kind": "checkbox"},
    {"name": "note", "label": "Note", "kind": "textarea"},
    {
        "name": "state",
        "label": "State",
        "kind": "select",
        "options": [{"value": "g", "label": "good"}],
    },
    {"name": "photos", "label": "Photos", "kind": "file", "max_files": 2, "required": False},
    {"name": "sign", "label": "Signature", "kind": "signature", "required": False},
]
FORM = parse_definition(
    msgspec.json.encode(
        {
            "title": "Check the delivery",
            "instructions_mdsvex": "Look at **everything**.",
            "steps": [
                {
                    "id": "a",
                    "title": "The boxes",
                    "blocks": [
                        {"type": "table", "columns": ["Box", "Count"], "rows": [["small", "2"]]},
                        *({"type": "input", "field": field} for field in FIELDS),
                    ],
                }
            ],
        }
    )
)


def ended(event: Event = "completed", **changed: object) -> TaskEnded:
    task = TaskEnded(
        event=event,
        task_id=TASK_ID,
        at_ms=AT_MS,
        title="Check the delivery",
        correlation_key="order-77",
        form=FORM,
        data={"ok": True, "note": "box 7 was open", "state": "g"} if event == "completed" else None,
        reason=None if event == "completed" else "no longer needed",
    )
    return msgspec.structs.replace(task, **changed)


def owe(outbox: DictOutbox, sink: Sink, task: TaskEnded, place: int = 0) -> Row:
    """Put what a sink is owed into the outbox."""
    number = len(outbox.rows) + 1
    delivery = SinkDelivery(
        delivery_id=number,
        process_id=f"p{number}",
        seq=1,
        attempt=0,
        url=address_of(sink),
        origin=origin_of(sink),
        milestone=task.event,
        body=b"",
        emitted_ms=AT_MS,
        due_ms=0,
        sink=sink,
        ended=task,
        place=place,
    )
    outbox.rows[number] = Row(delivery, 0)
    return outbox.rows[number]


def send(outbox: DictOutbox, carrier: Closable, *times_ms: int, total_ms: int = 9 * S) -> None:
    """Let the sender look at these times, one after the other."""

    async def looks() -> None:
        limits = Limits(total_ms=total_ms)
        carriers = {SinkDelivery: carrier}
        async with Sender(
            outbox, GUARD, chance=lambda: 0, limits=limits, carriers=carriers
        ) as sender:
            for now_ms in times_ms:
                sender.lift_rests()
                await sender.step(now_ms)
        await carrier.close()

    asyncio.run(looks())
