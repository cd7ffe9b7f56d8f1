"""What agents can do: register, claim, heartbeat, report, finish, drain."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import cast

import msgspec

from procession.caller import Caller
from procession.core import lifecycle
from procession.core.errors import Forbidden, LeaseLost, NotFound
from procession.core.process import EMPTY, Change, Error, Item, Process
from procession.core.states import ITEM_ACTIVE, ItemState
from procession.engine import Engine
from procession.operations import LOOK_AGAIN_MS
from procession.protocol import (
    LANES_MAX,
    MESSAGE_CHARS_MAX,
    OUTPUT_BYTES_MAX,
    RESULT_BYTES_MAX,
    RUNS_MAX,
    WAIT_MS_MAX,
    Assignment,
    Claim,
    Finish,
    FinishAnswer,
    Finished,
    Heartbeat,
    Order,
    PhoneReport,
    Register,
    Registered,
    Report,
    Result,
    RunOrder,
    RunReport,
)
from procession.store.rows import labels_of, text_of
from procession.store.turn import Claiming, Turn
from procession.targets import claim_topics
from procession.wakeup import Waiting

HEARTBEATS_PER_LEASE = 5
INTERRUPTED = "lease_lost"
"""The category of a run that did not end by itself: its agent stopped or lost it."""


async def register(engine: Engine, caller: Caller, message: Register) -> Registered:
    """An agent's life begins; its id belongs to the token that registered it first.

    Raises Forbidden when the id is another token's.
    """

    async def run(turn: Turn) -> None:
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
        await _put_phones(turn, caller, message.agent_id, message.phones)

    await engine.ledger.errand(run)
    lease_ms = engine.settings.lease_ms
    return Registered(
        agent_id=message.agent_id,
        lease_ms=lease_ms,
        heartbeat_ms=lease_ms // HEARTBEATS_PER_LEASE,
        server_time_ms=engine.now_ms(),
    )


async def claim(engine: Engine, caller: Caller, message: Claim) -> list[Assignment]:
    """Work for these phones, at most one item each; empty when the wait was over first.

    Raises NotFound for an agent this token has not registered.
    """
    phone_ids = message.phones[:LANES_MAX]
    asked_ms = engine.now_ms()
    ends_ms = asked_ms + min(message.wait_ms, WAIT_MS_MAX)
    labels = await _labels(engine, caller, phone_ids)
    topics = claim_topics(caller.tenant_id, phone_ids, labels)
    with Waiting(engine.wakeup, topics) as waiting:
        while not await _draining(engine, caller, message.agent_id):
            waited_ms = engine.now_ms() - asked_ms
            found = await _claim_now(engine, caller, message.agent_id, phone_ids, waited_ms)
            left_ms = ends_ms - engine.now_ms()
            if found or left_ms <= 0 or engine.wakeup.closing:
                return found
            await waiting.wait(min(left_ms, LOOK_AGAIN_MS) / 1000)
    return []


async def heartbeat(engine: Engine, caller: Caller, message: Heartbeat) -> list[RunOrder]:
    """Renew the leases of these runs, then wait for an order that was not yet seen."""
    runs = message.runs[:RUNS_MAX]

    async def see(turn: Turn) -> None:
        await turn.store.connection.execute(
            "see_agent",
            tenant_id=caller.tenant_id,
            agent_id=message.agent_id,
            now_ms=turn.now_ms,
        )
        await _put_phones(turn, caller, message.agent_id, message.phones)

    await _draining(engine, caller, message.agent_id)
    renewing = asyncio.gather(*(_renew(engine, caller, message.agent_id, run) for run in runs))
    _, orders = await asyncio.gather(engine.ledger.errand(see), renewing)
    ends_ms = engine.now_ms() + min(message.wait_ms, WAIT_MS_MAX)
    seen = set(message.seen)
    topics = [("agent", caller.tenant_id, message.agent_id)]
    with Waiting(engine.wakeup, topics) as waiting:
        while True:
            left_ms = 0 if engine.wakeup.closing else ends_ms - engine.now_ms()
            if left_ms <= 0 or any(o.order != "none" and o not in seen for o in orders):
                return [order for order in orders if order.order != "none"]
            await waiting.wait(min(left_ms, LOOK_AGAIN_MS) / 1000)
            orders = await _orders(engine, runs, orders)


async def report(engine: Engine, caller: Caller, message: Report) -> list[RunOrder]:
    """Starts and progress, at once. A run that has lost its item is answered `lost`."""
    await _draining(engine, caller, message.agent_id)
    orders = await asyncio.gather(
        *(_renew(engine, caller, message.agent_id, run) for run in message.runs[:RUNS_MAX])
    )
    return [order for order in orders if order.order != "none"]


async def finish(engine: Engine, caller: Caller, message: Finish) -> Finished:
    """Ends of runs, each fenced by its attempt; in the same turn, work for idle phones."""
    draining = await _draining(engine, caller, message.agent_id)
    idle = [] if draining else message.idle[:LANES_MAX]
    *answers, items = await asyncio.gather(
        *(_finish(engine, caller, message.agent_id, r) for r in message.results[:RUNS_MAX]),
        _claim_now(engine, caller, message.agent_id, idle),
    )
    assert isinstance(items, list)
    return Finished([a for a in answers if isinstance(a, FinishAnswer)], items)


async def drain(engine: Engine, caller: Caller, agent_id: str) -> None:
    """The agent takes no more work; its runs go on."""
    await _draining(engine, caller, agent_id)

    async def run(turn: Turn) -> None:
        await turn.store.connection.execute(
            "drain_agent", tenant_id=caller.tenant_id, agent_id=agent_id
        )

    await engine.ledger.errand(run)


async def _draining(engine: Engine, caller: Caller, agent_id: str) -> bool:
    """Whether the agent takes no more work. Raises NotFound if it is not this token's."""
    found = await engine.store.connection.fetch(
        "get_agent", tenant_id=caller.tenant_id, agent_id=agent_id
    )
    if not found or found[0][1] != caller.token_id:
        raise NotFound("this token has registered no such agent")
    return bool(found[0][3])


async def _labels(engine: Engine, caller: Caller, phone_ids: list[str]) -> set[str]:
    found = await engine.store.connection.fetch(
        "phone_labels", tenant_id=caller.tenant_id, phone_ids=phone_ids
    )
    return {label for row in found for label in labels_of(row[0])}


async def _claim_now(
    engine: Engine, caller: Caller, agent_id: str, phone_ids: list[str], waited_ms: int = 0
) -> list[Assignment]:
    if not phone_ids:
        return []
    lease_ms = engine.settings.lease_ms
    claimed = await engine.ledger.claim(Claiming(caller.tenant_id, agent_id, phone_ids, lease_ms))
    apps = await _apps(engine, caller, [item for _, item in claimed])
    return [
        msgspec.structs.replace(
            _assignment(process, item, lease_ms),
            app=apps.get(item.account_id or ""),
            waited_ms=waited_ms,
        )
        for process, item in claimed
    ]


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


async def _renew(engine: Engine, caller: Caller, agent_id: str, run: RunReport) -> RunOrder:
    """One run's sign of life, start and progress; the answer is its order."""
    lease_ms = engine.settings.lease_ms

    def decide(process: Process, items: Sequence[Item], now_ms: int) -> Change:
        item = _held(process, items, caller, agent_id, run.attempt)
        renewed = lifecycle.renew(process, item, lease_ms=now_ms + lease_ms).items[0]
        change = Change(process, (renewed,))
        if item.state not in ITEM_ACTIVE:
            return change
        if run.started or run.percent is not None:
            change = _then(change, lifecycle.start(process, renewed, now_ms))
        if run.percent is not None or run.message:
            told = lifecycle.report(
                change.process,
                change.items[0],
                percent=run.percent,
                message=run.message[:MESSAGE_CHARS_MAX],
                now_ms=now_ms,
            )
            change = _then(change, told)
        return change

    process_id = await _process_of(engine, run.item_id)
    try:
        change = await engine.ledger.change(process_id, decide, (run.item_id,))
    except (LeaseLost, NotFound):
        return RunOrder(run.item_id, run.attempt, "lost")
    return _order(change.items[0])


def _then(first: Change, second: Change) -> Change:
    """Both changes as one: the second was decided on the first's result."""
    return Change(
        second.process, second.items or first.items, first.events + second.events, second.answer
    )


async def _finish(engine: Engine, caller: Caller, agent_id: str, result: Result) -> FinishAnswer:
    outcome, error = ItemState(result.outcome), _error(result)
    kept = result.result
    if len(bytes(kept)) > RESULT_BYTES_MAX:
        outcome, kept = ItemState.FAILED, EMPTY
        error = Error(f"the result is larger than {RESULT_BYTES_MAX} bytes", "rejected")
    chance = engine.chance()

    def decide(process: Process, items: Sequence[Item], now_ms: int) -> Change:
        item = _held(process, items, caller, agent_id, result.attempt)
        if error is not None and error.category == INTERRUPTED and item.state in ITEM_ACTIVE:
            why = error.message
            return lifecycle.interrupt(process, item, chance=chance, now_ms=now_ms, why=why)
        return lifecycle.finish(
            process,
            item,
            outcome=outcome,
            result=kept,
            error=error,
            retry=result.error is not None and result.error.retry,
            chance=chance,
            now_ms=now_ms,
        )

    try:
        process_id = await _process_of(engine, result.item_id)
        changing = engine.ledger.change(process_id, decide, (result.item_id,))
        if result.output:
            change, _ = await asyncio.gather(
                changing, _keep_output(engine, caller, agent_id, result)
            )
        else:
            change = await changing
    except (LeaseLost, NotFound) as refused:
        # Any other refusal is of the whole message: an answered result is not told again.
        return FinishAnswer(result.item_id, result.attempt, False, refused.code)
    if isinstance(change.answer, LeaseLost):
        return FinishAnswer(result.item_id, result.attempt, False, LeaseLost.code)
    return FinishAnswer(result.item_id, result.attempt, True)


async def _keep_output(engine: Engine, caller: Caller, agent_id: str, result: Result) -> None:
    """Keep what the item's own latest run printed; nobody else can write there."""
    text = result.output.encode()[-OUTPUT_BYTES_MAX:].decode(errors="replace")

    async def run(turn: Turn) -> None:
        item = (await turn.store.items([result.item_id])).get(result.item_id)
        if item is None or item.tenant_id != caller.tenant_id:
            return
        if (item.agent_id, item.attempt) != (agent_id, result.attempt):
            return
        await turn.store.connection.execute(
            "put_output",
            item_id=result.item_id,
            attempt=result.attempt,
            process_id=item.process_id,
            text=text.replace("\0", "\ufffd"),
            truncated=int(result.output_truncated or len(text) < len(result.output)),
        )

    await engine.ledger.errand(run)


def _error(result: Result) -> Error | None:
    if result.error is None:
        return None
    return Error(result.error.message[:MESSAGE_CHARS_MAX], result.error.category)


def _held(
    process: Process, items: Sequence[Item], caller: Caller, agent_id: str, attempt: int
) -> Item:
    if process.tenant_id != caller.tenant_id or not items:
        raise NotFound
    return lifecycle.held_by(items[0], agent_id=agent_id, attempt=attempt)


async def _orders(
    engine: Engine, runs: Sequence[RunReport], before: Sequence[RunOrder]
) -> list[RunOrder]:
    """What the runs are ordered now; a lost run stays lost."""
    found = await engine.store.items([run.item_id for run in runs])
    orders = []
    for run, order in zip(runs, before, strict=True):
        item = found.get(run.item_id)
        if order.order == "lost" or item is None or item.attempt != run.attempt:
            orders.append(RunOrder(run.item_id, run.attempt, "lost"))
        elif item.lease_ms is None:
            orders.append(order)
        else:
            orders.append(_order(item))
    return orders


def _order(item: Item) -> RunOrder:
    """What an item's agent is told; a run whose item has ended already is to be killed."""
    word = cast(Order, item.order) if item.state in ITEM_ACTIVE else "hard"
    return RunOrder(item.item_id, item.attempt, word)


async def _process_of(engine: Engine, item_id: str) -> str:
    found = await engine.store.connection.fetch("item_process", item_id=item_id)
    if not found:
        raise NotFound
    process_id: str = found[0][0]
    return process_id


async def _put_phones(
    turn: Turn, caller: Caller, agent_id: str, phones: Sequence[PhoneReport]
) -> None:
    for phone in phones[:LANES_MAX]:
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
