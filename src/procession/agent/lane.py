"""One lane a phone: takes an assignment, runs it in a child, says how it ended."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

from msgspec import Raw, Struct

from procession.agent import needs
from procession.agent.child import Child
from procession.agent.finishes import printable
from procession.agent.frames import Ended, Limits, Said, Start
from procession.agent.held import Held, Why
from procession.agent.nursery import NotHired, Nursery, Seat
from procession.agent.reports import Reports
from procession.agent.uploads import UploadGone, Uploads
from procession.protocol import NULL, OutcomeWord, Result, RunError

log = logging.getLogger(__name__)

EMPTY = Raw(b"{}")


class Place(Struct, frozen=True):
    """Where a lane's runs happen: its phone, how adb is reached, what a run may use."""

    phone_id: str
    adb_port: int
    limits: Limits
    is_job: bool = False
    """A lane for jobs has no phone."""


class Lane:
    """Runs one item at a time. `serial` gives the phone's present serial, empty for none."""

    def __init__(
        self,
        place: Place,
        nursery: Nursery,
        reports: Reports,
        serial: Callable[[str], str],
        uploads: Uploads | None = None,
    ) -> None:
        self.place = place
        self.held: Held | None = None
        self._nursery = nursery
        self._reports = reports
        self._serial = serial
        self._uploads = uploads
        self._seat: Seat | None = None

    async def work(self, held: Held) -> Result | None:
        """The item's whole way; None when it was lost, so that nothing is to be told.

        Returns only once no process of the run is left.
        """
        assignment = held.assignment
        if assignment.start_required and not await self._reports.start(held):
            return not_started(held)
        try:
            uploads = await self._fetched(held)
            if uploads is None:
                return not_started(held)
            child = await self._child(held, uploads)
        except (UploadGone, OSError) as reason:
            return unusable(held, str(reason))
        except NotHired as reason:
            log.error("no keeper phone=%s: %s", self.place.phone_id, reason)
            return interrupted(held, f"The agent could not start a run: {reason}")
        ended = await self._watch(held, child)
        if ended is None:
            self._seat = None
        return result_of(held, ended)

    async def close(self) -> None:
        """Let the lane's keeper go and wait until it is gone."""
        seat, self._seat = self._seat, None
        if seat:
            await self._nursery.until_swept(seat)

    async def _fetched(self, held: Held) -> dict[str, str] | None:
        """The files this job needs; None when it was stopped while they were fetched."""
        wanted = needs.uploads_of(held.assignment) if self.place.is_job else []
        if not wanted or self._uploads is None:
            return {}
        fetching = asyncio.gather(*(self._uploads.file(one) for one in wanted))
        stopping = asyncio.create_task(held.stop_wanted.wait())
        try:
            either: set[asyncio.Future[Any]] = {fetching, stopping}
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if not fetching.done():
                return None
            return {one: str(path) for one, path in zip(wanted, fetching.result(), strict=True)}
        finally:
            fetching.cancel()
            stopping.cancel()

    async def _child(self, held: Held, uploads: dict[str, str]) -> Child:
        if self._seat is None:
            self._seat = await self._nursery.hire()
        child = Child(
            self._seat, self._nursery, lambda progress: self._reports.progress(held, progress)
        )
        child.start(self._start(held, uploads))
        held.attach(child)
        return child

    def _start(self, held: Held, uploads: dict[str, str]) -> Start:
        assignment = held.assignment
        return Start(
            process_id=assignment.process_id,
            item_id=assignment.item_id,
            attempt=assignment.attempt,
            capability=assignment.capability,
            inputs=bytes(assignment.inputs),
            phone_id=self.place.phone_id,
            serial=self._serial(self.place.phone_id),
            adb_port=self.place.adb_port,
            account_id=assignment.account_id,
            app=assignment.app,
            limits=self.place.limits,
            until_s=held.kill_at_s(),
            is_job=self.place.is_job,
            checkpoint=_bytes(assignment.checkpoint),
            decisions=_bytes(assignment.decisions),
            uploads=uploads,
            settings=needs.settings_of(assignment) if self.place.is_job else {},
        )

    async def _watch(self, held: Held, child: Child) -> Ended | None:
        loop = asyncio.get_running_loop()
        limit_s = held.assignment.time_limit_ms / 1000
        timer = loop.call_later(limit_s, held.stop, "time_limit")
        try:
            return await child.until_dead()
        finally:
            timer.cancel()
            held.over = True
            self._reports.drop(held.key)


def _bytes(raw: Raw) -> bytes | None:
    return None if bytes(raw) == bytes(NULL) else bytes(raw)


def result_of(held: Held, ended: Ended | None) -> Result | None:
    """What the server is told of a run that is over; None when it no longer wants to know."""
    if held.why == "lost":
        return None
    if ended is None:
        return interrupted(held, "The run's keeper was lost with it.")
    said = ended.said
    if said and said.ending == "completed":
        result = _result(held, "completed", None, Raw(said.result))
    elif said and said.ending == "waiting" and not held.why:
        result = _result(held, "waiting", None, Raw(said.result))
    elif held.why or ended.lapsed:
        result = stopped(held, held.why or "fence")
    else:
        result = _result(held, "failed", _error(said, ended.status))
    result.output = printable(ended.output)
    result.output_truncated = ended.output_truncated
    result.forced = ended.signalled
    result.checkpoint = NULL if ended.checkpoint is None else Raw(ended.checkpoint)
    return result


def _error(said: Said | None, status: int) -> RunError:
    if said is None:
        how = f"signal {-status}" if status < 0 else f"status {status}"
        return RunError(f"The run ended without a result ({how}).")
    if said.ending == "stopped":
        return RunError("The run stopped without having been asked to.")
    return RunError(said.message, said.category, said.retry, said.infrastructure)


def stopped(held: Held, why: Why) -> Result:
    """A run that was made to end, by the reason it was."""
    if why in {"soft", "hard"}:
        return _result(held, "cancelled", RunError("Stopped on request.", "cancelled"))
    if why == "time_limit":
        limit_s = held.assignment.time_limit_ms / 1000
        return _result(held, "failed", RunError(f"Not done within {limit_s:g} s.", "timeout"))
    if why == "fence":
        return interrupted(held, "The lease could not be renewed in time.")
    return interrupted(held, "The agent was shut down.")


def interrupted(held: Held, message: str) -> Result:
    """A run that did not end by itself and not on request: its capability says what now."""
    return _result(held, "failed", RunError(message, "lease_lost", True, True))


def unusable(held: Held, message: str) -> Result:
    """A job whose files cannot be had: it fails before its run has begun."""
    return _result(held, "failed", RunError(message, "failed"))


def not_started(held: Held) -> Result | None:
    """An item that was stopped before its run began."""
    return None if held.why in {None, "lost"} else stopped(held, held.why or "soft")


def _result(
    held: Held, outcome: OutcomeWord, error: RunError | None, result: Raw = EMPTY
) -> Result:
    return Result(*held.key, outcome, result, error, started=held.started)
