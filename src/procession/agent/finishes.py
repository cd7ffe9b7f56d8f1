"""Results on their way to the server: on disk first, many in one call, with the next claim."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from msgspec import Raw

from procession.agent.held import Key
from procession.agent.link import Link, Pause
from procession.agent.spool import Spool
from procession.client import Refused, Unreachable
from procession.protocol import (
    OUTPUT_BYTES_MAX,
    Assignment,
    Finish,
    FinishAnswer,
    Finished,
    Result,
    RunError,
)

FINISH_TIMEOUT_S = 20.0
FLIGHTS_MAX = 2
RESULTS_MAX = 100
ENVELOPE_BYTES = 500
BODY_BYTES_MAX = 200_000
"""A batch of results is kept below what a server takes as one body."""

log = logging.getLogger(__name__)

OnAnswered = Callable[[FinishAnswer], None]
OnItems = Callable[[list[Assignment], list[str], float], None]


class Finishes:
    """Sends results at once, two calls at a time; what comes meanwhile goes with the next.

    `on_answered` hears of each answer; `on_items` gets the assignments that came with them,
    the phones that were offered and the moment the request was sent.
    """

    def __init__(
        self, link: Link, spool: Spool, on_answered: OnAnswered, on_items: OnItems
    ) -> None:
        self._link = link
        self._spool = spool
        self._on_answered = on_answered
        self._on_items = on_items
        self._waiting: dict[Key, Result] = {}
        self._idle: dict[Key, str] = {}
        self._flying = 0
        self._work = asyncio.Event()
        self.empty = asyncio.Event()
        self.empty.set()

    def put(self, result: Result, idle_phone: str = "") -> None:
        """Send this result; `idle_phone` takes new work in the same breath."""
        key = (result.item_id, result.attempt)
        self._waiting[key] = result
        if idle_phone:
            self._idle[key] = idle_phone
        self.empty.clear()
        self._work.set()

    async def forward(self) -> None:
        """Send for ever."""
        async with asyncio.TaskGroup() as flights:
            while True:
                await self._work.wait()
                self._work.clear()
                while self._waiting and self._flying < FLIGHTS_MAX:
                    self._flying += 1
                    flights.create_task(self._fly(self._next_batch()))

    async def _fly(self, batch: list[Result]) -> None:
        """Write a batch to the spool, then see it answered."""
        keys = [(result.item_id, result.attempt) for result in batch]
        phones = [self._idle.pop(key) for key in keys if key in self._idle]
        to_send = self._spool.put(batch)
        await asyncio.to_thread(self._spool.sync)
        await self._deliver(to_send, phones)
        self._flying -= 1
        self._work.set()
        if not self._waiting and not self._flying:
            self.empty.set()

    def _next_batch(self) -> list[Result]:
        batch: list[Result] = []
        size = 0
        for result in self._waiting.values():
            size += len(result.output.encode()) + len(bytes(result.result)) + ENVELOPE_BYTES
            if batch and (size > BODY_BYTES_MAX or len(batch) >= RESULTS_MAX):
                break
            batch.append(result)
        for result in batch:
            del self._waiting[(result.item_id, result.attempt)]
        return batch

    async def _deliver(self, batch: list[Result], phones: list[str]) -> None:
        """Until the server has answered for every one of them."""
        pause = Pause()
        items: list[Assignment] = []
        sent_s = self._link.now_s()
        while batch:
            sent_s = self._link.now_s()
            message = Finish(self._link.agent_id, batch, phones)
            try:
                answer = await self._link.call("finish", message, Finished, FINISH_TIMEOUT_S)
                self._answered(answer.answers)
                items, batch = answer.items, []
            except Unreachable as reason:
                await pause.after(reason)
            except Refused as reason:
                if not _unwanted(reason):
                    await pause.after(reason)
                elif len(batch) == 1:
                    batch = self._answer_unwanted(batch[0], reason)
                else:
                    for result in batch:
                        await self._deliver([result], [])
                    batch = []
        self._on_items(items, phones, sent_s)

    def _answered(self, answers: list[FinishAnswer]) -> None:
        for answer in answers:
            if not answer.accepted:
                log.warning(
                    "finish refused item=%s attempt=%d code=%s",
                    answer.item_id,
                    answer.attempt,
                    answer.code,
                )
            self._on_answered(answer)
        self._spool.done((answer.item_id, answer.attempt) for answer in answers)

    def _answer_unwanted(self, result: Result, reason: Refused) -> list[Result]:
        """The server does not take this result as it stands: tell that instead, once."""
        log.error("result not taken item=%s attempt=%d: %s", result.item_id, result.attempt, reason)
        if result.error and result.error.category == "rejected":
            answer = FinishAnswer(result.item_id, result.attempt, False, reason.code)
            self._answered([answer])
            return []
        return [unwanted(result, reason)]


def _unwanted(reason: Refused) -> bool:
    """The body itself is at fault, so that sending it again cannot help."""
    return reason.status in {400, 413, 422}


def unwanted(result: Result, reason: Refused) -> Result:
    """What is told in place of a result that the server refuses to take."""
    return Result(
        item_id=result.item_id,
        attempt=result.attempt,
        outcome="failed",
        result=Raw(b"{}"),
        error=RunError(f"The server does not take the result: {reason.code}", "rejected"),
        forced=result.forced,
        started=result.started,
    )


def printable(output: bytes) -> str:
    """A run's output as the text of a result."""
    text = output.decode("utf-8", "replace").replace("\0", "")
    return text.encode()[:OUTPUT_BYTES_MAX].decode("utf-8", "ignore")
