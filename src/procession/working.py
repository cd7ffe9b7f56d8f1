"""What agents can do about themselves and their work to come: register, claim, drain."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from msgspec import Raw

from procession.caller import Caller
from procession.core.errors import Forbidden, NotFound
from procession.core.process import Item, Process
from procession.engine import Engine
from procession.operations import LOOK_AGAIN_MS
from procession.protocol import (
    LANES_MAX,
    MESSAGE_CHARS_MAX,
    NULL,
    WAIT_MS_MAX,
    Assignment,
    Claim,
    JobTerms,
    PhoneReport,
    Register,
    Registered,
)
from procession.store.claiming import QUEUE_JOBS, Claiming
from procession.store.rows import labels_of, text_of
from procession.store.turn import Turn
from procession.targets import claim_topics
from procession.wakeup import Waiting

HEARTBEATS_PER_LEASE = 5
INTERRUPTED = "lease_lost"
"""The category of a run that did not end by itself: its agent stopped or lost it."""


async def register(engine: Engine, caller: Caller, message: Register) -> Registered:
    """An agent's life begins; its id belongs to the token that registered it first.

    Raises Forbidden when the id is another token's.
    """

    async def run(turn: Turn) -> int:
        ours = await turn.store.connection.execute(
            "put_agent",
            agent_id=message.agent_id,
            tenant_id=caller.tenant_id,
            token_id=caller.token_id,
            version=message.version,
            capabilities=text_of(message.capabilities),
            now_ms=turn.now_ms,
        )
        if not ours:
            raise Forbidden(f"agent_id {message.agent_id!r} belongs to another token")
        await turn.store.connection.execute(
            "lose_phones",
            tenant_id=caller.tenant_id,
            agent_id=message.agent_id,
            phone_ids=[phone.phone_id for phone in message.phones],
        )
        await put_phones(turn, caller, message.agent_id, message.phones)
        return turn.now_ms

    registered_ms = await engine.ledger.errand(run)
    lease_ms = engine.settings.lease_ms
    return Registered(
        agent_id=message.agent_id,
        lease_ms=lease_ms,
        heartbeat_ms=lease_ms // HEARTBEATS_PER_LEASE,
        server_time_ms=registered_ms,
    )


async def claim(engine: Engine, caller: Caller, message: Claim) -> list[Assignment]:
    """Work for these phones, at most one item each; empty when the wait was over first.

    Raises NotFound for an agent this token has not registered.
    """
    phone_ids = message.phones[:LANES_MAX]
    asked_ms = engine.now_ms()
    ends_ms = asked_ms + min(message.wait_ms, WAIT_MS_MAX)
    known = await _known(engine, caller, phone_ids)
    topics = claim_topics(caller.tenant_id, phone_ids, known)
    with Waiting(engine.wakeup, topics) as waiting:
        while not await draining(engine, caller, message.agent_id):
            waited_ms = engine.now_ms() - asked_ms
            found = await claim_now(engine, caller, message.agent_id, phone_ids, waited_ms)
            left_ms = ends_ms - engine.now_ms()
            if found or left_ms <= 0 or engine.wakeup.closing:
                return found
            await waiting.wait(min(left_ms, LOOK_AGAIN_MS) / 1000)
    return []


async def drain(
    engine: Engine, caller: Caller, agent_id: str, registered_ms: int | None = None
) -> None:
    """The agent takes no more work, in the life that registered then; its runs go on."""
    await draining(engine, caller, agent_id)

    async def run(turn: Turn) -> None:
        await turn.store.connection.execute(
            "drain_agent",
            tenant_id=caller.tenant_id,
            agent_id=agent_id,
            registered_ms=registered_ms,
        )

    await engine.ledger.errand(run)


async def draining(engine: Engine, caller: Caller, agent_id: str) -> bool:
    """Whether the agent takes no more work. Raises NotFound if it is not this token's."""
    found = await engine.store.connection.fetch(
        "get_agent", tenant_id=caller.tenant_id, agent_id=agent_id
    )
    if not found or found[0][1] != caller.token_id:
        raise NotFound("this token has registered no such agent")
    return bool(found[0][3])


async def _known(
    engine: Engine, caller: Caller, phone_ids: list[str]
) -> dict[str, tuple[list[str], str]]:
    found = await engine.store.connection.fetch(
        "phone_labels", tenant_id=caller.tenant_id, phone_ids=phone_ids
    )
    return {row[0]: (labels_of(row[1]), row[2]) for row in found}


async def claim_now(
    engine: Engine, caller: Caller, agent_id: str, phone_ids: list[str], waited_ms: int = 0
) -> list[Assignment]:
    if not phone_ids:
        return []
    lease_ms = engine.settings.lease_ms
    claimed = await engine.ledger.claim(Claiming(caller.tenant_id, agent_id, phone_ids, lease_ms))
    items = [item for _, item in claimed]
    apps = await _apps(engine, caller, items)
    notes = await _notes(engine, items)
    return [
        msgspec.structs.replace(
            _assignment(process, item, lease_ms),
            app=apps.get(item.account_id or ""),
            waited_ms=waited_ms,
            checkpoint=notes.get((item.item_id, "checkpoint"), NULL),
            decisions=notes.get((item.item_id, "decision"), NULL),
        )
        for process, item in claimed
    ]


async def _notes(engine: Engine, items: Sequence[Item]) -> dict[tuple[str, str], Raw]:
    """What jobs go on from; work for phones has none."""
    jobs = [item.item_id for item in items if item.queue.startswith(QUEUE_JOBS)]
    if not jobs:
        return {}
    found = await engine.store.notes(jobs)
    return {key: Raw(text.encode()) for key, text in found.items()}


async def _apps(engine: Engine, caller: Caller, items: Sequence[Item]) -> dict[str, str | None]:
    """The apps of the items' accounts."""
    account_ids = [item.account_id for item in items if item.account_id is not None]
    if not account_ids:
        return {}
    found = await engine.store.connection.fetch(
        "accounts_named", tenant_id=caller.tenant_id, account_ids=account_ids
    )
    return {row[0]: row[2] for row in found}


def _assignment(process: Process, item: Item, lease_ms: int) -> Assignment:
    assert item.phone_id is not None
    return Assignment(
        item_id=item.item_id,
        process_id=process.process_id,
        attempt=item.attempt,
        phone_id=item.phone_id,
        account_id=item.account_id,
        capability=item.capability,
        inputs=process.request.inputs if item.inputs is None else item.inputs,
        lease_ms=lease_ms,
        time_limit_ms=process.request.time_limit_ms,
        start_required=process.request.on_interrupted != "retry",
    )


async def put_phones(
    turn: Turn, caller: Caller, agent_id: str, phones: Sequence[PhoneReport]
) -> None:
    for phone in phones[:LANES_MAX]:
        if phone.job_types is not None:
            await _put_lane(turn, caller, agent_id, phone, phone.job_types)
            continue
        await turn.store.connection.execute(
            "put_phone",
            tenant_id=caller.tenant_id,
            phone_id=phone.phone_id,
            agent_id=agent_id,
            health=phone.state,
            serial=phone.serial,
            battery_percent=phone.battery_percent,
            temperature_c=phone.temperature_c,
            storage_free_mb=phone.storage_free_mb,
            detail=phone.detail[:MESSAGE_CHARS_MAX],
            seen_ms=turn.now_ms,
        )
        if phone.state == "available":
            turn.topics.add(("phone", caller.tenant_id, phone.phone_id))


async def _put_lane(
    turn: Turn, caller: Caller, agent_id: str, lane: PhoneReport, job_types: Sequence[JobTerms]
) -> None:
    ours = await turn.store.connection.execute(
        "put_lane",
        tenant_id=caller.tenant_id,
        phone_id=lane.phone_id,
        agent_id=agent_id,
        health=lane.state,
        labels=text_of(sorted(terms.name for terms in job_types)),
        detail=text_of(job_types),
        seen_ms=turn.now_ms,
    )
    if not ours:
        raise Forbidden(f"{lane.phone_id!r} is a phone; a lane for jobs needs another name")
