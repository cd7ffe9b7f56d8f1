"""The older contract's queue items and runtime snapshots, over the same processes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msgspec import Raw, Struct
from msgspec.json import encode
from msgspec.structs import replace

from procession import operations
from procession.caller import Caller
from procession.core import stopping
from procession.core.errors import NotFound, WrongState
from procession.core.process import Change, Item, Process, item_id_of
from procession.core.states import ItemState
from procession.engine import Engine
from procession.store.turn import Turn
from procession.targets import Target, active_account

CAPABILITY = "post_video"
SYSTEM = "ingest"


class IngestRequest(Struct, frozen=True, kw_only=True):
    """A clip to post; its assets were checked already. `inputs` are `post_video`'s."""

    content_id: str
    account_id: str
    inputs: dict[str, Any]
    callback_url: str = ""
    callback_origin: str = ""
    not_before_ms: int | None = None
    fingerprint: str = ""


class SnapshotRequest(Struct, frozen=True, kw_only=True):
    """A runtime snapshot; `body` is the caller's own JSON."""

    account_id: str
    strategy_version: int
    strategy_synced_ms: int
    body: Raw


def request_id_of(content_id: str, account_id: str) -> str:
    """The idempotency key of a clip for an account: unambiguous whatever the two contain."""
    return encode([account_id, content_id]).decode()


async def ingest(engine: Engine, caller: Caller, request: IngestRequest) -> tuple[bool, Item]:
    """Queue a clip for its account's phone: whether it was known, and its item.

    Raises AccountUnknown, CapabilityRefusal, Overloaded.
    """
    await active_account(engine.store.connection, caller.tenant_id, request.account_id)
    target = {"routing": "queue", "account_id": request.account_id}
    submitted = await operations.submit(
        engine,
        caller,
        operations.SubmitRequest(
            capability=CAPABILITY,
            mode="manual",
            target=Target("queue", request.account_id),
            request_id=request_id_of(request.content_id, request.account_id),
            system=SYSTEM,
            inputs=Raw(encode(request.inputs)),
            requested_by=Raw(encode({"system": SYSTEM, "user": None, "metadata": {}})),
            target_given=Raw(encode(target)),
            callback_url=request.callback_url,
            callback_origin=request.callback_origin,
            fingerprint=request.fingerprint,
            not_before_ms=request.not_before_ms,
        ),
    )
    return submitted.duplicate, await _item(engine, submitted.process)


async def cancel_content(
    engine: Engine, caller: Caller, content_id: str, account_id: str, reason: str
) -> tuple[Item, ItemState]:
    """Cancel a clip that has not started: its item and the state it was in.

    Raises NotFound, and WrongState once it was claimed.
    """
    process = await engine.store.request(
        caller.tenant_id, CAPABILITY, SYSTEM, request_id_of(content_id, account_id)
    )
    if process is None:
        raise NotFound

    def decide(process: Process, items: Sequence[Item], now_ms: int) -> Change:
        item = items[0]
        if item.state not in (ItemState.QUEUED, ItemState.SCHEDULED):
            raise WrongState(f"the item is {item.state.value}; only a waiting one can be cancelled")
        change = stopping.cancel(
            process, items, strategy="hard", reason=reason, force_after_ms=0, now_ms=now_ms
        )
        return replace(change, answer=item.state)

    change = await engine.ledger.change(
        process.process_id, decide, (item_id_of(process.process_id, 0),)
    )
    return await _item(engine, change.process), change.answer


async def upsert_snapshot(
    engine: Engine, caller: Caller, request: SnapshotRequest
) -> tuple[bool, int, int]:
    """Keep a snapshot unless a newer one is there: whether it was stale, version and sync time.

    Raises AccountUnknown.
    """
    tenant_id = caller.tenant_id
    await active_account(engine.store.connection, tenant_id, request.account_id)
    given = (request.strategy_version, request.strategy_synced_ms)

    async def run(turn: Turn) -> tuple[bool, int, int]:
        connection = turn.store.connection
        found = await connection.fetch(
            "get_snapshot", tenant_id=tenant_id, account_id=request.account_id
        )
        if found and (found[0][0], found[0][1]) > given:
            return True, found[0][0], found[0][1]
        await connection.execute(
            "put_snapshot",
            tenant_id=tenant_id,
            account_id=request.account_id,
            strategy_version=given[0],
            strategy_synced_ms=given[1],
            body=bytes(request.body).decode(),
            now_ms=turn.now_ms,
        )
        return False, *given

    return await engine.ledger.errand(run)


async def _item(engine: Engine, process: Process) -> Item:
    item_id = item_id_of(process.process_id, 0)
    return (await engine.store.items([item_id]))[item_id]
