"""What agents report about their runs: heartbeat, report, finish. Every word is fenced."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import cast

from msgspec import Raw
from msgspec.structs import replace

from procession.caller import Caller
from procession.core import lifecycle
from procession.core.errors import LeaseLost, NotFound
from procession.core.process import EMPTY, Change, Error, Item, Note, Process
from procession.core.states import ITEM_ACTIVE, ItemState
from procession.engine import Engine
from procession.operations import LOOK_AGAIN_MS
from procession.protocol import (
    LANES_MAX,
    MESSAGE_CHARS_MAX,
    NULL,
    OUTPUT_BYTES_MAX,
    RESULT_BYTES_MAX,
    RUNS_MAX,
    WAIT_MS_MAX,
    Finish,
    FinishAnswer,
    Finished,
    Heartbeat,
    Order,
    Report,
    Result,
    RunOrder,
    RunReport,
)
from procession.store.turn import Turn
from procession.wakeup import Waiting
from procession.working import claim_now, draining, put_phones

HEARTBEATS_PER_LEASE = 5
NULL_BYTES = bytes(NULL)
INTERRUPTED = "lease_lost"
"""The category of a run that did not end by itself: its agent stopped or lost it."""


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
        await put_phones(turn, caller, message.agent_id, message.phones)

    await draining(engine, caller, message.agent_id)
    renewing = _renew_all(engine, caller, message.agent_id, runs)
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
    await draining(engine, caller, message.agent_id)
    orders = await _renew_all(engine, caller, message.agent_id, message.runs[:RUNS_MAX])
    return [order for order in orders if order.order != "none"]


async def finish(engine: Engine, caller: Caller, message: Finish) -> Finished:
    """Ends of runs, each fenced by its attempt; in the same turn, work for idle phones."""
    done = await draining(engine, caller, message.agent_id)
    idle = [] if done else message.idle[:LANES_MAX]
    results = message.results[:RUNS_MAX]
    # Asked for once and beforehand: so the ends and the claim can be of one turn.
    owners = await _owners(engine, [result.item_id for result in results])
    *answers, items = await asyncio.gather(
        *(
            _finish(engine, caller, message.agent_id, result, owners.get(result.item_id))
            for result in results
        ),
        claim_now(engine, caller, message.agent_id, idle),
    )
    assert isinstance(items, list)
    return Finished([a for a in answers if isinstance(a, FinishAnswer)], items)


async def _renew_all(
    engine: Engine, caller: Caller, agent_id: str, runs: Sequence[RunReport]
) -> list[RunOrder]:
    """Raises NotFound for an item that never was."""
    owners = await _owners(engine, [run.item_id for run in runs])
    if not all(run.item_id in owners for run in runs):
        raise NotFound
    return await asyncio.gather(
        *(_renew(engine, caller, agent_id, run, owners[run.item_id]) for run in runs)
    )


async def _renew(
    engine: Engine, caller: Caller, agent_id: str, run: RunReport, process_id: str
) -> RunOrder:
    """One run's sign of life, start and progress; the answer is its order."""
    lease_ms = engine.settings.lease_ms

    def decide(process: Process, items: Sequence[Item], now_ms: int) -> Change:
        item = _held(process, items, caller, agent_id, run.attempt)
        renewed = lifecycle.renew(process, item, lease_ms=now_ms + lease_ms).items[0]
        change = Change(process, (renewed,))
        if item.state not in ITEM_ACTIVE:
            return change
        if bytes(run.checkpoint) != NULL_BYTES:
            change = Change(process, (renewed,), notes=(_checkpoint(item, run.checkpoint),))
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

    try:
        change = await engine.ledger.change(process_id, decide, (run.item_id,))
    except (LeaseLost, NotFound):
        return RunOrder(run.item_id, run.attempt, "lost")
    return _order(change.items[0])


def _then(first: Change, second: Change) -> Change:
    """Both changes as one: the second was decided on the first's result."""
    return Change(
        second.process,
        second.items or first.items,
        first.events + second.events,
        second.answer,
        first.notes + second.notes,
        first.tasks + second.tasks,
    )


def _checkpoint(item: Item, body: Raw) -> Note:
    return Note(item.item_id, item.process_id, "checkpoint", body)


async def _finish(
    engine: Engine, caller: Caller, agent_id: str, result: Result, process_id: str | None
) -> FinishAnswer:
    if process_id is None:
        return FinishAnswer(result.item_id, result.attempt, False, NotFound.code)
    chance = engine.chance()

    def decide(process: Process, items: Sequence[Item], now_ms: int) -> Change:
        item = _held(process, items, caller, agent_id, result.attempt)
        change = _ended(process, item, result, chance, now_ms)
        if bytes(result.checkpoint) == NULL_BYTES or item.state not in ITEM_ACTIVE:
            return change
        noted = (_checkpoint(item, result.checkpoint), *change.notes)
        return replace(change, notes=noted)

    try:
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


def _ended(process: Process, item: Item, result: Result, chance: float, now_ms: int) -> Change:
    """What the end of its run means for an item this agent held."""
    outcome, error, kept = ItemState(result.outcome), _error(result), result.result
    if len(bytes(kept)) > RESULT_BYTES_MAX:
        outcome, kept = ItemState.FAILED, EMPTY
        error = Error(f"the result is larger than {RESULT_BYTES_MAX} bytes", "rejected")
    if error is not None and error.category == INTERRUPTED and item.state in ITEM_ACTIVE:
        why = error.message
        return lifecycle.interrupt(process, item, chance=chance, now_ms=now_ms, why=why)
    if outcome is ItemState.WAITING:
        return lifecycle.ask(process, item, draft=kept, now_ms=now_ms)
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


async def _owners(engine: Engine, item_ids: list[str]) -> dict[str, str]:
    """The processes of these items, without those that never were."""
    if not item_ids:
        return {}
    found = await engine.store.connection.fetch("item_processes", item_ids=item_ids)
    return {row[0]: row[1] for row in found}
