"""Core values to rows and back. A row's order is the order of its statement's parameters."""

from __future__ import annotations

from typing import Any

from msgspec import Raw
from msgspec.json import Decoder, Encoder

from procession.core.process import Error, Event, Item, Note, Process, Request, Standing, Task
from procession.core.states import ItemState
from procession.store.connection import Row

_encode = Encoder().encode
_request = Decoder(Request).decode
_standing = Decoder(Standing).decode
_error = Decoder(Error).decode
_labels = Decoder(list[str]).decode

encode_text = _encode


def text_of(value: Any) -> str:
    """A value as JSON text."""
    return _encode(value).decode()


def process_row(process: Process, standing: str) -> Row:
    """For `insert_process`; `standing` is the encoded standing, shared with the event's row."""
    now = process.standing
    return (
        process.process_id,
        process.tenant_id,
        process.namespace,
        process.process_type,
        process.system,
        process.request_id,
        process.created_ms,
        _encode(process.request).decode(),
        process.version,
        now.state.value,
        process.due_ms,
        now.finished_ms,
        now.phone_id,
        now.account_id,
        standing,
    )


def process_update_row(process: Process, standing: str, version_before: int) -> Row:
    """For `update_process`."""
    now = process.standing
    return (
        process.version,
        now.state.value,
        process.due_ms,
        now.finished_ms,
        now.phone_id,
        now.account_id,
        standing,
        process.process_id,
        version_before,
    )


def process_of(row: Row) -> Process:
    """From the columns every statement that reads a process selects."""
    return Process(
        process_id=row[0],
        number=row[1],
        tenant_id=row[2],
        namespace=row[3],
        process_type=row[4],
        system=row[5],
        request_id=row[6],
        created_ms=row[7],
        request=_request(row[8]),
        version=row[9],
        due_ms=row[10],
        standing=_standing(row[11]),
    )


def item_row(item: Item) -> Row:
    """For `insert_item`."""
    return (
        item.item_id,
        item.process_id,
        item.tenant_id,
        item.capability,
        item.queue,
        item.step,
        item.state.value,
        item.attempt,
        item.attempts_max,
        item.lost,
        item.due_ms,
        item.lease_ms,
        item.run_until_ms,
        item.order,
        item.phone_id,
        item.account_id,
        item.agent_id,
        item.percent,
        item.claimed_ms,
        item.started_ms,
        item.finished_ms,
        None if item.inputs is None else bytes(item.inputs).decode(),
        None if item.error is None else text_of(item.error),
        bytes(item.result).decode(),
    )


def item_update_row(item: Item, before: Item) -> Row:
    """For `update_item`."""
    return (
        item.state.value,
        item.attempt,
        item.attempts_max,
        item.lost,
        item.due_ms,
        item.lease_ms,
        item.run_until_ms,
        item.order,
        item.phone_id,
        item.account_id,
        item.agent_id,
        item.percent,
        item.claimed_ms,
        item.started_ms,
        item.finished_ms,
        None if item.error is None else text_of(item.error),
        bytes(item.result).decode(),
        item.item_id,
        before.attempt,
        before.state.value,
    )


def item_of(row: Row) -> Item:
    """From the columns every statement that reads an item selects."""
    return Item(
        item_id=row[0],
        process_id=row[1],
        tenant_id=row[2],
        capability=row[3],
        queue=row[4],
        step=row[5],
        state=ItemState(row[6]),
        attempt=row[7],
        attempts_max=row[8],
        lost=row[9],
        due_ms=row[10],
        lease_ms=row[11],
        run_until_ms=row[12],
        order=row[13],
        phone_id=row[14],
        account_id=row[15],
        agent_id=row[16],
        percent=row[17],
        claimed_ms=row[18],
        started_ms=row[19],
        finished_ms=row[20],
        inputs=None if row[21] is None else Raw(row[21].encode()),
        error=None if row[22] is None else _error(row[22]),
        result=Raw(row[23].encode()),
    )


def event_row(event: Event, standing: str) -> Row:
    """For `insert_event`."""
    return (
        event.process_id,
        event.seq,
        event.name,
        event.at_ms,
        _encode(event.data).decode(),
        standing,
    )


def note_row(note: Note) -> Row:
    """For `put_note`."""
    return (note.item_id, note.kind, note.process_id, bytes(note.body).decode())


def standing_of(text: str) -> Standing:
    """A standing as an event's row keeps it."""
    return _standing(text)


def task_values(task: Task) -> dict[str, Any]:
    """For `insert_task`, of a task that a run has left to a person."""
    item = task.item
    return {
        "task_id": task.task_id,
        "tenant_id": item.tenant_id,
        "process_id": item.process_id,
        "item_id": item.item_id,
        "kind": task.kind,
        "title": task.title,
        "person_id": None,
        "assignee_email": None,
        "template_id": None,
        "correlation_key": None,
        "about_process_id": None,
        "about_step": None,
        "created_ms": task.at_ms,
        "expires_ms": None,
    }


def labels_of(text: str) -> list[str]:
    """The labels of a phone or account."""
    return _labels(text)
