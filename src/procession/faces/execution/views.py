"""From core values to answers, by hand."""

from __future__ import annotations

from functools import lru_cache

from msgspec import UNSET, Raw, ValidationError
from msgspec.json import Decoder, Encoder

from procession.core.process import Error, Item, Process, item_id_of
from procession.core.settle import item_counts
from procession.core.states import FINAL, State
from procession.engine import Engine
from procession.faces.endpoint import Answer
from procession.faces.execution.answers import (
    CallbackView,
    ErrorView,
    ItemView,
    LinkedIds,
    Progress,
    Record,
    TargetView,
    Timestamps,
    Update,
    WaitView,
)
from procession.faces.execution.messages import TargetGiven
from procession.faces.execution.words import ERROR_SHOWN, QUEUE_STATUS, STATUS, category_of
from procession.faces.stamps import etag, stamp, stamp_or_none
from procession.operations import Sight, sight

_encode = Encoder().encode
_target = Decoder(TargetGiven).decode
_NO_PROGRESS = Progress()
_NO_ITEMS = Raw(b"[]")


def record_of(seen: Sight) -> Record:
    """The record of a process."""
    process = seen.process
    now, request, total = process.standing, process.request, process.items_total
    reason = seen.wait_reason
    return Record(
        process_id=process.process_id,
        process_type=process.process_type,
        request_id=process.request_id,
        status=STATUS[now.state],
        target=_target_view(process),
        requested_by=request.requested_by,
        callback=CallbackView(request.callback_url or None, request.callback_metadata),
        result=now.result,
        error=error_view(now.error) if now.state in ERROR_SHOWN else None,
        timestamps=Timestamps(
            stamp(process.created_ms),
            stamp_or_none(now.accepted_ms),
            stamp_or_none(now.queued_ms),
            stamp_or_none(now.executing_ms),
            stamp_or_none(now.retrying_ms),
            stamp_or_none(now.cancel_requested_ms),
            stamp_or_none(now.finished_ms),
        ),
        linked_ids=LinkedIds(_item_ids(process.process_id, total), seen.completed_item_ids),
        partial_progress=_progress(process, total),
        version=process.version,
        wait_reason=None if reason is None else WaitView(reason.reason, reason.position),
    )


def update_of(seen: Sight, milestone: str, emitted_ms: int) -> bytes:
    """The body of a callback."""
    return _encode(Update("process.updated", milestone, stamp(emitted_ms), record_of(seen)))


async def shown(engine: Engine, process: Process) -> Answer:
    """The answer that shows a process."""
    return Answer(200, record_of(await sight(engine, process)), (etag(process),))


async def encoded(engine: Engine, process: Process) -> bytes:
    """The record as JSON, as a stream sends it."""
    return _encode(record_of(await sight(engine, process)))


def error_view(error: Error | None) -> ErrorView | None:
    return None if error is None else ErrorView(error.message, category_of(error.category))


def item_view(item: Item) -> ItemView:
    """One item of a process."""
    return ItemView(
        queue_item_id=item.item_id,
        process_id=item.process_id,
        capability=item.capability,
        queue_status=QUEUE_STATUS[item.state],
        attempt=item.attempt,
        attempts_max=item.attempts_max,
        leases_lost=item.lost,
        account_id=item.account_id,
        phone_id=item.phone_id,
        agent_id=item.agent_id,
        percent=item.percent,
        stop_order=item.order,
        due_at=stamp_or_none(item.due_ms),
        lease_expires_at=stamp_or_none(item.lease_ms),
        claimed_at=stamp_or_none(item.claimed_ms),
        started_at=stamp_or_none(item.started_ms),
        finished_at=stamp_or_none(item.finished_ms),
        error=error_view(item.error),
        result=item.result,
    )


def _target_view(process: Process) -> TargetView:
    """What was asked for, and beside it the phone and account it came to."""
    now, raw = process.standing, process.request.target
    try:
        given = _target(raw)
    except ValidationError:
        return TargetView(now.account_id, now.phone_id)
    return TargetView(
        now.account_id or given.account_id,
        now.phone_id or (given.phone_id if given.routing == "direct" else None),
        given.routing,
        given.account_ids or UNSET,
        given.phone_ids or UNSET,
        given.account_group or UNSET,
        given.phone_group or UNSET,
    )


def _item_ids(process_id: str, total: int) -> Raw:
    if total == 0:
        return _NO_ITEMS
    if total == 1:
        return Raw(b'["%b"]' % item_id_of(process_id, 0).encode())
    return _many_item_ids(process_id, total)


@lru_cache(maxsize=32)
def _many_item_ids(process_id: str, total: int) -> Raw:
    """A fan-out's ids never change, and every one of its many states shows them all."""
    return Raw(_encode([item_id_of(process_id, position) for position in range(total)]))


def _progress(process: Process, total: int) -> Progress:
    now = process.standing
    said = now.percent is not None or now.message
    if not said and total < 2 and now.state not in FINAL:
        return _NO_PROGRESS
    counts = item_counts(now.tally)
    percent = now.percent
    if total > 1 and now.state is not State.COMPLETED:
        ended = sum(counts.values()) - total
        percent = round(100 * ended / total, 1)
    return Progress(
        counts["items_total"],
        counts["items_completed"],
        counts["items_failed"],
        counts["items_cancelled"],
        percent,
        now.message,
    )
