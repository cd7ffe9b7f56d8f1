"""Routes that cancel and retry: one process, or everything a filter matches."""

from __future__ import annotations

from msgspec import UNSET

from procession import bulk, operations
from procession.engine import Engine
from procession.faces.endpoint import Answer, Endpoint, Request
from procession.faces.execution.answers import (
    ActiveTarget,
    BulkAnswer,
    CancelAnswer,
    OutcomeView,
    Record,
    Termination,
)
from procession.faces.execution.declared import write
from procession.faces.execution.filters import filter_of
from procession.faces.execution.messages import BulkCancel, BulkRetry, Cancel
from procession.faces.execution.views import record_of, shown
from procession.faces.stamps import etag, stamp
from procession.operations import Cancelled


class Stopping:
    """Cancels and retries."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def cancel(self, request: Request) -> Answer:
        message: Cancel = request.message
        cancelled = await operations.cancel(
            self._engine,
            request.caller,
            request.params["process_id"],
            strategy=message.strategy,
            reason=message.reason,
            force_after_ms=message.force_after_seconds * 1_000,
        )
        record = record_of(await operations.sight(self._engine, cancelled.process))
        headers = (etag(cancelled.process),)
        return Answer(200, _cancel_answer(cancelled, record), headers)

    async def retry(self, request: Request) -> Answer:
        process_id = request.params["process_id"]
        process = await operations.retry(self._engine, request.caller, process_id)
        return await shown(self._engine, process)

    async def bulk_cancel(self, request: Request) -> Answer:
        message: BulkCancel = request.message
        matched, outcomes = await bulk.bulk_cancel(
            self._engine,
            request.caller,
            filter_of(message.filter, "/filter/status"),
            strategy=message.strategy,
            reason=message.reason,
            force_after_ms=message.force_after_seconds * 1_000,
            dry_run=message.dry_run,
        )
        return _bulk_answer(matched, outcomes, message.dry_run)

    async def bulk_retry(self, request: Request) -> Answer:
        message: BulkRetry = request.message
        wanted = filter_of(message.filter, "/filter/status")
        matched, outcomes = await bulk.bulk_retry(
            self._engine, request.caller, wanted, dry_run=message.dry_run
        )
        return _bulk_answer(matched, outcomes, message.dry_run)

    def endpoints(self) -> list[Endpoint]:
        one, many = "/processes/{process_id}", "/processes/bulk-"
        return [
            write(
                f"{one}/cancel",
                self.cancel,
                "Stop a process",
                CancelAnswer,
                404,
                body=Cancel,
            ),
            write(f"{one}/retry", self.retry, "Try again what failed", Record, 404, 409),
            write(
                f"{many}cancel",
                self.bulk_cancel,
                "Stop everything a filter matches",
                BulkAnswer,
                body=BulkCancel,
            ),
            write(
                f"{many}retry",
                self.bulk_retry,
                "Retry everything a filter matches that failed",
                BulkAnswer,
                body=BulkRetry,
            ),
        ]


def _cancel_answer(cancelled: Cancelled, record: Record) -> CancelAnswer:
    process, active = cancelled.process, cancelled.active
    item = active[0] if active else None
    return CancelAnswer(
        status="ignored_terminal" if cancelled.ignored else "cancel_requested",
        cancelled_queue_item_ids=cancelled.cancelled_item_ids,
        active_queue_item_ids=[one.item_id for one in active],
        active_target=ActiveTarget(
            process_id=process.process_id,
            phone_id=item.phone_id if item else record.target.phone_id,
            account_id=item.account_id if item else record.target.account_id,
            queue_item_id=item.item_id if item else None,
            capability_request_id=process.process_id,
        ),
        termination=_termination(cancelled),
        process=record,
    )


def _termination(cancelled: Cancelled) -> Termination:
    process, active = cancelled.process, cancelled.active
    order = process.standing.cancel
    process_id = process.process_id
    if not active or order is None:
        return Termination(process_id, "not_needed", False, None)
    forced = order.forced_ms is not None
    force_at = UNSET if order.force_at_ms is None or forced else stamp(order.force_at_ms)
    if not cancelled.agent_alive:
        return Termination(process_id, "unavailable", False, None, force_at)
    if forced:
        container = f"{active[0].item_id}/{active[0].attempt}"
        return Termination(process_id, "issued", True, container)
    word = "requested" if order.force_at_ms is None else "scheduled"
    return Termination(process_id, word, False, None, force_at)


def _bulk_answer(matched: int, outcomes: list[bulk.BulkOutcome], dry_run: bool) -> Answer:
    views = [OutcomeView(one.process_id, one.status) for one in outcomes]
    return Answer(body=BulkAnswer(matched, dry_run, views))
