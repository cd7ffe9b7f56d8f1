"""Starts and progress on their way to the server: the newest of each run, many in one call."""

from __future__ import annotations

import asyncio
from typing import Literal

from msgspec import Raw

from procession.agent.frames import Progress
from procession.agent.held import Held, Holding, Key
from procession.agent.link import FORGOTTEN, Link, Pause
from procession.client import Refused, Unreachable
from procession.protocol import NULL, RUNS_MAX, Orders, Report, RunReport

REPORT_TIMEOUT_S = 5.0

Accepted = Literal["yes", "no"]


class Reports:
    """Sends at once when idle; what comes while a call is under way goes with the next."""

    def __init__(self, link: Link, holding: Holding) -> None:
        self._link = link
        self._holding = holding
        self._waiting: dict[Key, RunReport] = {}
        self._starts: dict[Key, asyncio.Future[bool]] = {}
        self._work = asyncio.Event()

    async def start(self, held: Held) -> bool:
        """Whether the server lets the run begin; waits for its answer, or a stop."""
        future = asyncio.get_running_loop().create_future()
        self._starts[held.key] = future
        self._queue(RunReport(*held.key, started=True))
        stop = asyncio.create_task(held.stop_wanted.wait())
        await asyncio.wait([future, stop], return_when=asyncio.FIRST_COMPLETED)
        stop.cancel()
        self._starts.pop(held.key, None)
        return future.done() and held.why is None

    def progress(self, held: Held, progress: Progress) -> None:
        """Let the server know how far a run is; only the newest is kept."""
        before = self._waiting.get(held.key)
        started = before.started if before else False
        kept = NULL if progress.checkpoint is None else Raw(progress.checkpoint)
        self._queue(RunReport(*held.key, started, progress.percent, progress.message, kept))

    def drop(self, key: Key) -> None:
        """The run has ended: nothing more is to be said of its way."""
        self._waiting.pop(key, None)

    def _queue(self, report: RunReport) -> None:
        self._waiting[(report.item_id, report.attempt)] = report
        self._work.set()

    async def forward(self) -> None:
        """Send for ever."""
        pause = Pause()
        while True:
            await self._work.wait()
            self._work.clear()
            batch = self._take()
            try:
                if batch:
                    await self._send(batch)
                pause.reset()
            except (Unreachable, Refused) as reason:
                self._put_back(batch, reason)
                await pause.after(reason)

    def _take(self) -> list[RunReport]:
        keys = list(self._waiting)[:RUNS_MAX]
        if len(keys) < len(self._waiting):
            self._work.set()
        return [self._waiting.pop(key) for key in keys]

    async def _send(self, batch: list[RunReport]) -> None:
        sent_s = self._link.now_s()
        message = Report(self._link.agent_id, batch)
        answer = await self._link.call("report", message, Orders, REPORT_TIMEOUT_S)
        keys = [(report.item_id, report.attempt) for report in batch]
        self._holding.renew(keys, sent_s, answer.orders)
        self._holding.obey(answer.orders)
        for key, report in zip(keys, batch, strict=True):
            future = self._starts.get(key)
            if report.started and future and not future.done():
                future.set_result(True)

    def _put_back(self, batch: list[RunReport], reason: Unreachable | Refused) -> None:
        """Starts must arrive; progress may be lost when the server does not want it."""
        lost = isinstance(reason, Refused) and reason.status not in FORGOTTEN | {429, 503}
        for report in batch:
            key = (report.item_id, report.attempt)
            if report.started or not lost:
                newer = self._waiting.get(key)
                if newer:
                    newer.started = newer.started or report.started
                elif self._holding.find(key):
                    self._waiting[key] = report
        if self._waiting:
            self._work.set()
