"""Routes of the older contract: clips to post, and runtime snapshots."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from msgspec import Raw, to_builtins
from msgspec.json import decode

from procession import legacy
from procession.core.errors import Invalid
from procession.engine import Engine
from procession.faces.endpoint import Answer, Endpoint, Request
from procession.faces.execution.answers import ContentCancelled, IngestAnswer, SnapshotAnswer
from procession.faces.execution.declared import write
from procession.faces.execution.messages import CancelContent, Ingest, Snapshot
from procession.faces.execution.submitting import CheckUrl, fingerprint_of, object_errors
from procession.faces.execution.words import QUEUE_STATUS
from procession.faces.stamps import stamp
from procession.faces.strict import BodyInvalid, FieldError

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MS = timedelta(milliseconds=1)

AssetCheck = Callable[[str, str], Awaitable[None]]
"""Asks for an asset's headers: URL and pointer. Raises Invalid when it cannot be fetched."""


class Legacy:
    """Clips and snapshots."""

    def __init__(self, engine: Engine, check_url: CheckUrl, asset_check: AssetCheck) -> None:
        self._engine = engine
        self._check_url = check_url
        self._asset_check = asset_check

    async def ingest(self, request: Request) -> Answer:
        message: Ingest = request.message
        errors = list(object_errors({"/metadata": message.metadata}))
        origin = ""
        if message.callback_url is not None:
            try:
                origin = self._check_url(message.callback_url, "/callback_url").origin
            except Invalid as refused:
                errors.append(FieldError(refused.pointer, refused.message))
        if not errors:
            with request.parked():
                errors = await self._asset_errors(message)
        if errors:
            raise BodyInvalid(errors)
        duplicate, item = await legacy.ingest(
            self._engine, request.caller, _wanted(message, origin, request.canonical)
        )
        word = "duplicate" if duplicate else "accepted"
        body = IngestAnswer(
            word, item.item_id, message.content_id, message.account_id, QUEUE_STATUS[item.state]
        )
        location = (b"location", b"/processes/" + item.process_id.encode())
        return Answer(200 if duplicate else 202, body, (location,))

    async def _asset_errors(self, message: Ingest) -> list[FieldError]:
        async def refusal(pointer: str, url: str) -> FieldError | None:
            try:
                await self._asset_check(url, pointer)
            except Invalid as refused:
                return FieldError(refused.pointer, refused.message)
            return None

        found = await asyncio.gather(*(refusal(*asset) for asset in _assets(message)))
        return [error for error in found if error is not None]

    async def cancel(self, request: Request) -> Answer:
        message: CancelContent = request.message
        reason = message.reason or "cancelled by the caller"
        item, before = await legacy.cancel_content(
            self._engine, request.caller, message.content_id, message.account_id, reason
        )
        return Answer(body=ContentCancelled("cancelled", item.item_id, QUEUE_STATUS[before]))

    async def upsert(self, request: Request) -> Answer:
        message: Snapshot = request.message
        errors = list(object_errors({"/personality": message.personality}))
        if errors:
            raise BodyInvalid(errors)
        stale, version, synced_ms = await legacy.upsert_snapshot(
            self._engine,
            request.caller,
            legacy.SnapshotRequest(
                account_id=message.account_id,
                strategy_version=message.strategy_version,
                strategy_synced_ms=_ms(message.strategy_synced_at),
                body=Raw(request.body),
            ),
        )
        if stale:
            return Answer(
                body=SnapshotAnswer(
                    "ignored_stale", message.account_id, message.snapshot_id, version
                )
            )
        return Answer(
            body=SnapshotAnswer(
                "upserted", message.account_id, message.snapshot_id, version, stamp(synced_ms)
            )
        )

    def endpoints(self) -> list[Endpoint]:
        upsert = "/runtime-snapshots/upsert"
        return [
            write(
                "/ingest",
                self.ingest,
                "Queue a clip for an account",
                IngestAnswer,
                404,
                body=Ingest,
                success=(202, 200),
            ),
            write(
                "/cancel",
                self.cancel,
                "Cancel a clip that still waits",
                ContentCancelled,
                404,
                409,
                body=CancelContent,
            ),
            write(
                upsert,
                self.upsert,
                "Keep an account's newest runtime snapshot",
                SnapshotAnswer,
                404,
                body=Snapshot,
            ),
        ]


def _assets(message: Ingest) -> Iterator[tuple[str, str]]:
    yield "/video_path", message.video_path
    if message.cover_image_path is not None:
        yield "/cover_image_path", message.cover_image_path


def _wanted(message: Ingest, origin: str, canonical: bytes) -> legacy.IngestRequest:
    inputs: dict[str, Any] = {
        "content_id": message.content_id,
        "account_id": message.account_id,
        "video_path": message.video_path,
        "caption": message.caption,
        "hashtags": to_builtins(message.hashtags),
        "sound_id": message.sound_id,
        "cover_image_path": message.cover_image_path,
        "metadata": decode(message.metadata),
    }
    hint = message.scheduling_hint
    return legacy.IngestRequest(
        content_id=message.content_id,
        account_id=message.account_id,
        inputs={name: value for name, value in inputs.items() if value is not None},
        callback_url=message.callback_url or "",
        callback_origin=origin,
        not_before_ms=None if hint is None else _ms(hint),
        fingerprint=fingerprint_of(canonical),
    )


def _ms(at: datetime) -> int:
    aware = at if at.tzinfo is not None else at.replace(tzinfo=UTC)
    return (aware - _EPOCH) // _MS
