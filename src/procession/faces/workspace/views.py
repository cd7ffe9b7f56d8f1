"""From core values to what a product's front end shows."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Raw, Struct
from msgspec.json import Encoder

from procession import starting
from procession.core.process import EMPTY, Process
from procession.core.settle import item_counts
from procession.core.states import FINAL, State
from procession.engine import Engine
from procession.faces.stamps import stamp, stamp_or_none
from procession.faces.workspace.answers import Full, Listed
from procession.faces.workspace.words import ERROR_SHOWN, STATUS

_encode = Encoder().encode


class _About(Struct):
    user_id: int | None = None


class _Asker(Struct):
    """Who started a job, as its request keeps it; other faces keep something else."""

    metadata: _About = msgspec.field(default_factory=_About)


_asker = msgspec.json.Decoder(_Asker).decode


def listed(process: Process) -> Listed:
    """A process in a list."""
    return Listed(
        process.number,
        process.process_type,
        STATUS[process.state],
        progress_of(process),
        stamp(process.created_ms),
        stamp(process.standing.updated_ms or process.created_ms),
    )


async def full(engine: Engine, process: Process, workspace_id: int | None) -> Full:
    """The full state; a waiting one shows the draft a person is asked about."""
    now, request = process.standing, process.request
    metadata: dict[str, Any] = {"request_id": process.request_id, "input": request.inputs}
    if now.state is State.WAITING:
        metadata["draft"] = await starting.draft_of(engine, process)
    return Full(
        id=process.number,
        type=process.process_type,
        status=STATUS[now.state],
        progress=progress_of(process),
        created_at=stamp(process.created_ms),
        updated_at=stamp(now.updated_ms or process.created_ms),
        metadata=metadata,
        result_summary=_result(now.state, now.result),
        workspace_id=workspace_id,
        user_id=_user_id(process),
        current_step=now.message or None if now.state not in FINAL else None,
        error_message=now.error.message if now.error and now.state in ERROR_SHOWN else None,
        attempts=now.attempt,
        started_at=stamp_or_none(now.executing_ms),
        finished_at=stamp_or_none(now.finished_ms),
        process_id=process.process_id,
        version=process.version,
    )


async def encoded(engine: Engine, process: Process, workspace_id: int | None) -> bytes:
    """The full state as JSON without line breaks."""
    return _encode(await full(engine, process, workspace_id))


def progress_of(process: Process) -> int:
    """0 to 100; of several items, how many have ended."""
    now = process.standing
    if now.state is State.COMPLETED:
        return 100
    counts = item_counts(now.tally)
    if counts["items_total"] > 1:
        ended = sum(counts.values()) - counts["items_total"]
        return int(100 * ended / counts["items_total"])
    return int(now.percent or 0)


def _result(state: State, result: Raw) -> Raw | None:
    ended = state in FINAL and state is not State.CANCELLED
    return result if ended and bytes(result) != bytes(EMPTY) else None


def _user_id(process: Process) -> int | None:
    try:
        return _asker(process.request.requested_by).metadata.user_id
    except msgspec.DecodeError:
        return None
