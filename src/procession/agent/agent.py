"""The agent: registers, keeps lanes busy, keeps leases alive, ends in order.

Four small loops do the work, each in its file: claims, heartbeats, reports, finishes. This file
ties them to the lanes and walks through the agent's life: orphans first, then what the spool
still holds, then work, then the drain.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from importlib.metadata import version
from typing import Any

from msgspec import Raw

from procession.agent import processes
from procession.agent.claims import Claims
from procession.agent.fence import Contact
from procession.agent.finishes import Finishes
from procession.agent.frames import Limits
from procession.agent.heartbeat import Heartbeats
from procession.agent.held import Held, Holding
from procession.agent.lane import Lane, Place, interrupted
from procession.agent.life import Life
from procession.agent.link import Link, Pause
from procession.agent.nursery import Nursery
from procession.agent.phones import Phones
from procession.agent.reports import Reports
from procession.agent.settings import AgentSettings
from procession.agent.spool import Interrupted
from procession.agent.uploads import Uploads
from procession.capabilities import registry
from procession.client import Client, Refused, Unreachable
from procession.protocol import (
    PROTOCOL_VERSION,
    Assignment,
    Drain,
    FinishAnswer,
    Register,
    Registered,
    Result,
    RunError,
)

ENFORCE_EVERY_S = 0.2
CALL_TIMEOUT_S = 10.0
LAST_CLAIMS_S = 1.0
LAST_RESULTS_S = 5.0
STOP_ROOM_S = 6.0
HOPELESS = frozenset({400, 401, 403, 422})

log = logging.getLogger(__name__)


class Agent:
    """One life of an agent. `life` is its claim on the state directory."""

    def __init__(self, settings: AgentSettings, client: Client, life: Life) -> None:
        self._settings = settings
        self._life = life
        self._contact = Contact(settings.fence, settings.outage_ms_max / 1000)
        self._link = Link(client, settings.agent_id, self._contact, processes.now_s)
        self._holding = Holding()
        self._nursery = Nursery(life.runs_dir, life.mark)
        self._uploads = Uploads(client, settings.state_path() / "uploads")
        self._lanes: dict[str, Lane] = {}
        self._works: set[asyncio.Task[None]] = set()
        self._draining = asyncio.Event()
        self._now = asyncio.Event()
        self._registered_ms: int | None = None
        self.phones = Phones(settings, self._phones_changed)
        self._reports = Reports(self._link, self._holding)
        self._claims = Claims(self._link, self._may_work, self._take)
        self._finishes = Finishes(self._link, life.spool, self._answered, self._take)
        self._heartbeats = Heartbeats(
            self._link, self._holding, self.phones.reports, self._register
        )

    def drain(self) -> None:
        """Take no more work and end; said a second time: end now."""
        if self._draining.is_set():
            self._now.set()
        self._draining.set()

    async def serve(self) -> None:
        """From the first look at phones to the end of the drain.

        Raises Refused when the server will not have this agent.
        """
        try:
            await self._serve()
        except ExceptionGroup as group:
            # A refusal is the caller's to explain; anything else is a fault of ours.
            refused = group.subgroup(Refused)
            if refused and isinstance(refused.exceptions[0], Refused):
                raise refused.exceptions[0] from None
            raise

    async def _serve(self) -> None:
        async with asyncio.TaskGroup() as group:
            loops = [group.create_task(self.phones.watch())]
            await self.phones.first_look()
            try:
                loops += await self._begin(group)
                await self._draining.wait()
                await self._end()
            finally:
                for loop in loops:
                    loop.cancel()
                await self._nursery.close()

    async def _begin(self, group: asyncio.TaskGroup) -> list[asyncio.Task[None]]:
        sending = group.create_task(self._finishes.forward())
        for result in self._leftovers():
            self._finishes.put(result)
        await self._register_patiently()
        self._phones_changed()
        work: list[Coroutine[Any, Any, None]] = [
            self._claims.forward(),
            self._heartbeats.forward(),
            self._heartbeats.cover(),
            self._reports.forward(),
            self._enforce(),
        ]
        return [sending, *(group.create_task(one) for one in work)]

    def _leftovers(self) -> list[Result]:
        """Results a former life could not deliver, and word of the runs it was killed with."""
        interrupted = [interrupted_result(run) for run in self._life.spool.interrupted()]
        return self._life.spool.waiting() + interrupted

    async def _register_patiently(self) -> None:
        pause = Pause()
        while not self._draining.is_set():
            try:
                return await self._register()
            except Unreachable as reason:
                await pause.after(reason)
            except Refused as reason:
                if reason.status in HOPELESS:
                    raise
                await pause.after(reason)

    async def _register(self) -> None:
        message = Register(
            self._settings.agent_id,
            PROTOCOL_VERSION,
            version("procession"),
            registry.names(),
            self.phones.reports(),
        )
        answer = await self._link.call("register", message, Registered, CALL_TIMEOUT_S)
        self._heartbeats.wait_ms = answer.heartbeat_ms
        self._registered_ms = answer.server_time_ms
        log.info("registered agent=%s lease_ms=%d", answer.agent_id, answer.lease_ms)

    def _phones_changed(self) -> None:
        """Open a lane for each phone that has none; ready ones become idle or stay busy."""
        for phone_id in self.phones.ids():
            if phone_id not in self._lanes:
                self._lanes[phone_id] = self._open_lane(phone_id)
                self._claims.offer([phone_id])
        self._claims.health_changed()

    def _may_work(self, phone_id: str) -> bool:
        return self.phones.ready(phone_id) and not self._life.spool.full

    def _open_lane(self, phone_id: str) -> Lane:
        limits = Limits(self._settings.memory_mb_max, self._settings.open_files_max)
        is_job = self.phones.is_job_lane(phone_id)
        place = Place(phone_id, self._settings.adb_port, limits, is_job)
        return Lane(place, self._nursery, self._reports, self.phones.serial, self._uploads)

    def _take(self, items: list[Assignment], phones: list[str], sent_s: float) -> None:
        """Put assignments to work; the offered phones that got none are idle."""
        for assignment in items:
            self._assign(assignment, sent_s)
        self._claims.offer(
            phone for phone in phones if phone in self._lanes and not self._lanes[phone].held
        )

    def _assign(self, assignment: Assignment, sent_s: float) -> None:
        # Never later than now: the server's clock may have been set while the request waited.
        claimed_s = min(sent_s + assignment.waited_ms / 1000, self._link.now_s())
        held = Held(assignment, claimed_s, self._contact)
        if self._holding.find(held.key):
            return
        self._life.spool.begin(*held.key)
        lane = self._lanes.get(assignment.phone_id)
        if lane is None or lane.held or self._draining.is_set():
            self._give_back(held, lane)
            return
        lane.held = held
        self._holding.add(held)
        self._claims.withdraw(assignment.phone_id)
        work = asyncio.create_task(self._work(lane, held))
        self._works.add(work)
        work.add_done_callback(self._works.discard)

    def _give_back(self, held: Held, lane: Lane | None) -> None:
        """Hand an item back that cannot be run; its run has not begun."""
        why = "is shutting down" if self._draining.is_set() else "is busy with that phone"
        why = why if lane else "has no such phone"
        log.warning("not taken item=%s phone=%s: %s", held.key[0], held.assignment.phone_id, why)
        self._finishes.put(interrupted(held, f"The agent {why}."))

    async def _work(self, lane: Lane, held: Held) -> None:
        """One item through its lane; the phone is free only once the run is known dead."""
        try:
            result = await lane.work(held)
        except Exception as reason:
            log.exception("lane broke phone=%s item=%s", lane.place.phone_id, held.key[0])
            await lane.close()
            result = interrupted(held, f"The agent broke: {type(reason).__name__}")
        held.over = True
        phone_id = lane.place.phone_id
        lane.held = None
        if result is None:
            self._holding.remove(held.key)
            self._life.spool.done([held.key])
            self._claims.offer([phone_id])
            return
        self._judge(phone_id, result)
        wanted = self._may_work(phone_id) and not self._draining.is_set()
        self._finishes.put(result, phone_id if wanted else "")
        if not wanted:
            self._claims.offer([phone_id])

    def _judge(self, phone_id: str, result: Result) -> None:
        error = result.error
        if result.outcome == "completed":
            self.phones.worked(phone_id)
        elif error and error.infrastructure and error.category != "lease_lost":
            self.phones.failed(phone_id)

    def _answered(self, answer: FinishAnswer) -> None:
        self._holding.remove((answer.item_id, answer.attempt))

    async def _enforce(self) -> None:
        while True:
            await asyncio.sleep(ENFORCE_EVERY_S)
            self._holding.enforce(self._link.now_s(), self._contact)

    async def _end(self) -> None:
        """Let runs end by themselves, then stop them, then deliver what can be delivered."""
        log.info("draining, %d runs under way", len(self._works))
        self._claims.close()
        telling = asyncio.create_task(self._tell_drain())
        await self._claims.abandon(LAST_CLAIMS_S)
        await self._works_end_within(self._settings.drain_ms / 1000, or_now=True)
        for held in self._holding:
            held.stop("hard" if self._now.is_set() else "drain")
        await self._works_end_within(STOP_ROOM_S)
        try:
            await asyncio.wait_for(self._finishes.empty.wait(), LAST_RESULTS_S)
        except TimeoutError:
            log.warning("%d results stay in the spool", len(self._life.spool.waiting()))
        telling.cancel()

    async def _works_end_within(self, seconds: float, *, or_now: bool = False) -> None:
        if not self._works:
            return
        ending = asyncio.gather(*self._works, return_exceptions=True)
        watched: set[asyncio.Future[Any]] = {ending}
        if or_now:
            watched.add(asyncio.ensure_future(self._now.wait()))
        await asyncio.wait(watched, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        for one in watched - {ending}:
            one.cancel()

    async def _tell_drain(self) -> None:
        if self._registered_ms is None:
            return
        try:
            message = Drain(self._settings.agent_id, self._registered_ms)
            await self._link.call("drain", message, Any, CALL_TIMEOUT_S)
        except (Unreachable, Refused) as reason:
            log.warning("drain not told: %s", reason)


def interrupted_result(run: Interrupted) -> Result:
    """What is told of a run that was under way when the agent's former life ended."""
    return Result(
        run.item_id,
        run.attempt,
        "failed",
        Raw(b"{}"),
        RunError("The agent was restarted during the run.", "lease_lost", True, True),
        forced=True,
    )
