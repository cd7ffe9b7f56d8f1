"""What callers can do to processes: submit, follow, cancel, retry, answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from msgspec import Raw, Struct
from msgspec.structs import replace

from procession.caller import Caller
from procession.capabilities import registry
from procession.capabilities.capability import Capability
from procession.capabilities.errors import CapabilityRefusal
from procession.core import lifecycle, reported, stopping
from procession.core.errors import NotFound, Refused
from procession.core.process import EMPTY, Change, Item, Process, Request, item_id_of
from procession.core.retry import LOST_MAX
from procession.core.states import ITEM_ACTIVE, ITEM_FINAL, ItemState, State
from procession.engine import Engine
from procession.store.claiming import QUEUE_PHONE
from procession.store.store import Count, EventRead, Filter, Page
from procession.store.turn import Submitted
from procession.targets import Place, Target, places
from procession.wakeup import Waiting

LOOK_AGAIN_MS = 1_000
"""How often a wait looks again by itself: a wake-up may be lost."""
AGENT_SILENT_MS = 10_000
LIVES_MS = 250
"""How long it is believed whether a tenant has a live phone: every read of waiting work asks."""


class SubmitRequest(Struct, frozen=True, kw_only=True):
    """A capability request as a face has parsed it; Raw fields are the caller's own JSON."""

    capability: str
    mode: str
    target: Target
    request_id: str
    system: str
    inputs: Raw
    requested_by: Raw
    target_given: Raw = EMPTY
    callback_url: str = ""
    callback_origin: str = ""
    callback_metadata: Raw = EMPTY
    fingerprint: str = ""
    face: str = "execution"
    not_before_ms: int | None = None


class WaitReason(Struct, frozen=True, omit_defaults=True):
    """Why a process is not running, with its place in the phone's queue (1 is next)."""

    reason: str
    position: int | None = None


class Sight(Struct, frozen=True):
    """A process with what its record needs beyond it."""

    process: Process
    completed_item_ids: list[str]
    wait_reason: WaitReason | None


class Cancelled(Struct, frozen=True):
    """What a cancel did."""

    process: Process
    ignored: bool
    cancelled_item_ids: list[str]
    active: list[Item]
    agent_alive: bool


class OutputRead(NamedTuple):
    """What one attempt of an item printed."""

    attempt: int
    text: str
    truncated: bool


async def submit(engine: Engine, caller: Caller, request: SubmitRequest) -> Submitted:
    """Accept and plan a request, or find the one that has its key.

    Raises CapabilityRefusal, AccountUnknown, PhoneUnknown, Invalid, Overloaded.
    """
    try:
        capability = registry.find(request.capability)
        inputs = bytes(request.inputs)
        registry.check(capability, request.mode, request.target.routing, inputs)
        chosen = await places(engine.store.connection, caller.tenant_id, request.target)
    except (CapabilityRefusal, Refused):
        # What was accepted once stays accepted, whatever has changed around it since.
        known = await engine.store.request(
            caller.tenant_id, request.capability, request.system, request.request_id
        )
        if known is None:
            raise
        return Submitted(known, True)
    now_ms = engine.now_ms()
    process = _process(engine, caller, request, capability, now_ms)
    return await engine.ledger.submit(
        process,
        lambda now_ms: _accepted(process, capability, chosen, request, now_ms),
        items=len(chosen),
    )


def _process(
    engine: Engine, caller: Caller, request: SubmitRequest, capability: Capability, now_ms: int
) -> Process:
    return Process(
        process_id=engine.new_id(now_ms),
        tenant_id=caller.tenant_id,
        namespace=caller.namespace,
        process_type=capability.name,
        system=request.system,
        request_id=request.request_id,
        created_ms=now_ms,
        request=Request(
            face=request.face,
            inputs=request.inputs,
            requested_by=request.requested_by,
            target=request.target_given,
            callback_url=request.callback_url,
            callback_origin=request.callback_origin,
            callback_metadata=request.callback_metadata,
            mode=request.mode,
            fingerprint=request.fingerprint,
            attempts_max=capability.attempts_max,
            lost_max=LOST_MAX,
            time_limit_ms=registry.time_limit_ms(capability, bytes(request.inputs)),
            on_interrupted=capability.on_interrupted,
        ),
    )


def _accepted(
    process: Process,
    capability: Capability,
    chosen: Sequence[Place],
    request: SubmitRequest,
    now_ms: int,
) -> tuple[Change, Change]:
    accepted = lifecycle.accept(process, now_ms)
    later = request.not_before_ms is not None and request.not_before_ms > now_ms
    items = [
        Item(
            item_id=item_id_of(process.process_id, position),
            process_id=process.process_id,
            tenant_id=process.tenant_id,
            capability=capability.name,
            queue=place.queue,
            state=ItemState.SCHEDULED if later else ItemState.QUEUED,
            due_ms=request.not_before_ms if later else None,
            attempts_max=capability.attempts_max,
            phone_id=place.phone_id,
            account_id=place.account_id,
        )
        for position, place in enumerate(chosen)
    ]
    return accepted, lifecycle.plan(accepted.process, items, now_ms)


async def find(engine: Engine, caller: Caller, process_id: str) -> Process:
    """The process. Raises NotFound, for a foreign one as for an unknown one."""
    process = await engine.store.process(process_id)
    if process is None or process.tenant_id != caller.tenant_id:
        raise NotFound
    return process


async def find_number(engine: Engine, caller: Caller, number: int) -> Process:
    """The process with this number. Raises NotFound, as `find` does."""
    process = await engine.store.process_numbered(number)
    if process is None or process.tenant_id != caller.tenant_id:
        raise NotFound
    return process


async def wait_for(
    engine: Engine, caller: Caller, process_id: str, version: int, wait_ms: int
) -> Process | None:
    """The process once it is newer than `version`; None when the wait was over first."""
    ends_ms = engine.now_ms() + wait_ms
    with Waiting(engine.wakeup, [("process", process_id)]) as waiting:
        while True:
            process = await find(engine, caller, process_id)
            left_ms = ends_ms - engine.now_ms()
            if process.version > version:
                return process
            if left_ms <= 0 or engine.wakeup.closing:
                return None
            await waiting.wait(min(left_ms, LOOK_AGAIN_MS) / 1000)


async def sight(engine: Engine, process: Process) -> Sight:
    """What a record shows beyond the process itself; one item's ids need no reading."""
    completed: list[str] = []
    if process.count(ItemState.COMPLETED):
        if process.items_total == 1:
            completed = [item_id_of(process.process_id, 0)]
        else:
            completed = await engine.store.completed_item_ids(process)
    reason = None
    if process.state in (State.QUEUED, State.RETRYING):
        reason = await _wait_reason(engine, process)
    return Sight(process, completed, reason)


async def _wait_reason(engine: Engine, process: Process) -> WaitReason | None:
    if process.count(ItemState.SCHEDULED) or process.state is State.RETRYING:
        return WaitReason("scheduled")
    phone_id = process.standing.phone_id
    if phone_id is None or process.items_total != 1:
        lives = await _lives(engine, process.tenant_id)
        return WaitReason("phone_busy" if lives else "no_agent")
    fetch = engine.store.connection.fetch
    item_id = item_id_of(process.process_id, 0)
    queue = QUEUE_PHONE + phone_id
    tenant_id = process.tenant_id
    ahead = await fetch("queue_ahead", tenant_id=tenant_id, queue=queue, item_id=item_id)
    position = ahead[0][0] + 1
    phone = await fetch("get_phone", tenant_id=tenant_id, phone_id=phone_id)
    if not phone or phone[0][1] is None:
        return WaitReason("no_agent", position)
    if phone[0][2] != "available" or phone[0][5]:
        return WaitReason("phone_offline", position)
    return WaitReason("phone_busy", position)


async def _lives(engine: Engine, tenant_id: int) -> bool:
    """Whether anybody could take work at all."""
    now_ms = engine.now_ms()
    until_ms, lives = engine.lives.get(tenant_id, (0, False))
    # Not for longer either, should the clock be set back.
    if not 0 < until_ms - now_ms <= LIVES_MS:
        since_ms = now_ms - AGENT_SILENT_MS
        fetch = engine.store.connection.fetch
        lives = bool(
            await fetch("live_phones", tenant_id=tenant_id, kind="phone", since_ms=since_ms)
        )
        engine.lives[tenant_id] = (now_ms + LIVES_MS, lives)
    return lives


async def list_processes(
    engine: Engine, caller: Caller, wanted: Filter, below: int, limit: int
) -> list[Process]:
    """Newest first, below the number of the last one seen."""
    return await engine.store.list_processes(caller.tenant_id, wanted, below=below, limit=limit)


async def page_processes(
    engine: Engine, caller: Caller, wanted: Filter, below: int, limit: int
) -> Page:
    """As `list_processes`, in bounded time: a page may be short though more are to come."""
    return await engine.store.page_processes(caller.tenant_id, wanted, below=below, limit=limit)


async def count_processes(engine: Engine, caller: Caller, wanted: Filter) -> Count:
    """How many a filter means, exactly or about."""
    return await engine.store.count_processes(caller.tenant_id, wanted)


async def cancel(
    engine: Engine,
    caller: Caller,
    process_id: str,
    *,
    strategy: str,
    reason: str,
    force_after_ms: int,
) -> Cancelled:
    """Stop a process; one that has ended is left alone. Raises NotFound, Overloaded."""

    def decide(process: Process, items: Sequence[Item], now_ms: int) -> Change:
        _owned(process, caller)
        ignored = process.final
        open_items = [item for item in items if item.state not in ITEM_FINAL]
        change = stopping.cancel(
            process,
            open_items,
            strategy=strategy,
            reason=reason,
            force_after_ms=force_after_ms,
            now_ms=now_ms,
        )
        now = {item.item_id: item for item in open_items}
        now |= {item.item_id: item for item in change.items}
        idle = [item for item in now.values() if item.state is ItemState.CANCELLED]
        active = [item for item in now.values() if item.state in ITEM_ACTIVE]
        answer = Cancelled(change.process, ignored, [i.item_id for i in idle], active, False)
        return replace(change, answer=answer)

    change = await engine.ledger.change(process_id, decide, item_ids=None)
    cancelled: Cancelled = change.answer
    alive = await _agents_alive(engine, caller, cancelled.active)
    return Cancelled(
        cancelled.process,
        cancelled.ignored,
        cancelled.cancelled_item_ids,
        cancelled.active,
        alive,
    )


async def _agents_alive(engine: Engine, caller: Caller, active: Sequence[Item]) -> bool:
    since_ms = engine.now_ms() - AGENT_SILENT_MS
    for agent_id in {item.agent_id for item in active if item.agent_id}:
        found = await engine.store.connection.fetch(
            "get_agent", tenant_id=caller.tenant_id, agent_id=agent_id
        )
        if not found or found[0][2] < since_ms:
            return False
    return bool(active)


async def retry(engine: Engine, caller: Caller, process_id: str) -> Process:
    """Try again what failed. Raises NotFound, WrongState, StillHeld, Overloaded."""

    def decide(process: Process, items: Sequence[Item], now_ms: int) -> Change:
        again = reported.retry if process.request.silent_ms_max else lifecycle.retry
        return again(_owned(process, caller), items, now_ms)

    return (await engine.ledger.change(process_id, decide, item_ids=None)).process


async def answer(
    engine: Engine, caller: Caller, process_id: str, item_id: str, decision: str
) -> Process:
    """Decide about an interrupted run: `retry` or `fail`. Raises NotFound, WrongState."""

    def decide(process: Process, items: Sequence[Item], now_ms: int) -> Change:
        _owned(process, caller)
        if not items or items[0].process_id != process_id:
            raise NotFound
        return lifecycle.answer(process, items[0], decision=decision, now_ms=now_ms)

    return (await engine.ledger.change(process_id, decide, (item_id,))).process


async def events(
    engine: Engine, caller: Caller, process_id: str, after: int, limit: int
) -> list[EventRead]:
    """The log from a sequence number on. Raises NotFound."""
    await find(engine, caller, process_id)
    return await engine.store.events(process_id, after=after, limit=limit)


async def items(
    engine: Engine, caller: Caller, process_id: str, after: str, limit: int
) -> list[Item]:
    """The items in the order of their ids. Raises NotFound."""
    process = await find(engine, caller, process_id)
    return await engine.store.process_items(process, after=after, limit=limit)


async def outputs(
    engine: Engine, caller: Caller, process_id: str, item_id: str
) -> list[OutputRead]:
    """What the runs of an item printed. Raises NotFound."""
    await find(engine, caller, process_id)
    found = await engine.store.items([item_id])
    if item_id not in found or found[item_id].process_id != process_id:
        raise NotFound
    rows = await engine.store.connection.fetch("list_outputs", item_id=item_id)
    return [OutputRead(row[0], row[1], bool(row[2])) for row in rows]


def _owned(process: Process, caller: Caller) -> Process:
    if process.tenant_id != caller.tenant_id:
        raise NotFound
    return process
