"""Phones and accounts: what can be targeted, who holds it, and the operator's switches."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from procession.caller import Caller
from procession.core import lifecycle
from procession.core.errors import AccountUnknown, PhoneUnknown, RequestReused
from procession.core.process import Change, Item, Process
from procession.core.states import ITEM_ACTIVE
from procession.engine import Engine
from procession.store.claiming import QUEUE_PHONE
from procession.store.connection import Connection, Row
from procession.store.rows import item_of, labels_of, text_of
from procession.store.turn import Turn


class Lease(Struct, frozen=True):
    """What holds a phone, until when unless renewed (ms since 1970)."""

    process_id: str
    queue_item_id: str
    expires_ms: int


class PhoneRead(Struct, frozen=True, kw_only=True):
    """A phone as callers see it."""

    phone_id: str
    state: str
    """available, busy, paused, offline, unauthorized, unhealthy or quarantined."""
    agent_id: str | None
    labels: list[str]
    paused: bool
    battery_percent: int | None
    temperature_c: float | None
    storage_free_mb: int | None
    lease: Lease | None
    queue_length: int
    quarantine: str | None
    detail: str
    last_seen_ms: int | None


class Account(Struct, frozen=True):
    """An account work can be done for; its own phone, where it has one."""

    account_id: str
    phone_id: str | None = None
    app: str | None = None
    labels: list[str] = []
    active: bool = True


async def phones(engine: Engine, caller: Caller) -> list[PhoneRead]:
    connection = engine.store.connection
    found = await connection.fetch("list_phones", tenant_id=caller.tenant_id)
    return await _phone_reads(connection, caller.tenant_id, found)


async def edit_phone(
    engine: Engine,
    caller: Caller,
    phone_id: str,
    *,
    labels: list[str] | None,
    paused: bool | None,
) -> PhoneRead:
    """Set labels or pause; None leaves as it is. Raises PhoneUnknown."""

    async def run(turn: Turn) -> PhoneRead:
        connection = turn.store.connection
        row = await _phone(connection, caller.tenant_id, phone_id)
        await connection.execute(
            "edit_phone",
            tenant_id=caller.tenant_id,
            phone_id=phone_id,
            labels=row[4] if labels is None else text_of([label.lower() for label in labels]),
            paused=row[5] if paused is None else int(paused),
        )
        await audit(turn, caller, "phone.edit", phone_id, {"labels": labels, "paused": paused})
        turn.topics.add(("phone", caller.tenant_id, phone_id))
        edited = [await _phone(connection, caller.tenant_id, phone_id)]
        return (await _phone_reads(connection, caller.tenant_id, edited))[0]

    return await engine.ledger.errand(run)


async def release_phone(engine: Engine, caller: Caller, phone_id: str) -> PhoneRead:
    """End whatever holds the phone, as if its agent were dead. Raises PhoneUnknown."""
    connection = engine.store.connection
    await _phone(connection, caller.tenant_id, phone_id)
    found = await connection.fetch("phone_lease", tenant_id=caller.tenant_id, phone_id=phone_id)
    for row in found:
        await _release(engine, item_of(row))

    async def run(turn: Turn) -> PhoneRead:
        await audit(turn, caller, "phone.release", phone_id, {"held": bool(found)})
        turn.topics.add(("phone", caller.tenant_id, phone_id))
        now = [await _phone(turn.store.connection, caller.tenant_id, phone_id)]
        return (await _phone_reads(turn.store.connection, caller.tenant_id, now))[0]

    return await engine.ledger.errand(run)


async def _release(engine: Engine, held: Item) -> None:
    chance = engine.chance()

    def decide(process: Process, items: tuple[Item, ...], now_ms: int) -> Change:
        item = items[0]
        if item.attempt != held.attempt or item.lease_ms is None:
            return Change(process)
        if item.state in ITEM_ACTIVE:
            why = "an operator released the phone"
            return lifecycle.interrupt(process, item, chance=chance, now_ms=now_ms, why=why)
        return Change(process, (lifecycle.free(item, now_ms),))

    await engine.ledger.change(
        held.process_id, lambda p, items, now: decide(p, tuple(items), now), (held.item_id,)
    )


async def accounts(engine: Engine, caller: Caller) -> list[Account]:
    found = await engine.store.connection.fetch("list_accounts", tenant_id=caller.tenant_id)
    return [_account_of(row) for row in found]


async def create_account(engine: Engine, caller: Caller, account: Account) -> Account:
    """Raises RequestReused when the id is taken."""

    async def run(turn: Turn) -> Account:
        made = await turn.store.connection.execute(
            "insert_account", created_ms=turn.now_ms, **_account_values(caller, account)
        )
        if not made:
            raise RequestReused(f"account_id {account.account_id!r} is taken")
        await audit(turn, caller, "account.create", account.account_id, {})
        return account

    return await engine.ledger.errand(run)


async def edit_account(
    engine: Engine, caller: Caller, account_id: str, changes: Mapping[str, Any]
) -> Account:
    """Change some fields of an account. Raises AccountUnknown."""

    async def run(turn: Turn) -> Account:
        connection = turn.store.connection
        found = await connection.fetch(
            "get_account", tenant_id=caller.tenant_id, account_id=account_id
        )
        if not found:
            raise AccountUnknown
        before = _account_of(found[0])
        fields = {name: getattr(before, name) for name in Account.__struct_fields__}
        edited = Account(**(fields | dict(changes)))
        await connection.execute("update_account", **_account_values(caller, edited))
        await audit(turn, caller, "account.edit", account_id, changes)
        return edited

    return await engine.ledger.errand(run)


async def audit(
    turn: Turn, caller: Caller, action: str, subject: str, data: Mapping[str, Any]
) -> None:
    """Write down who did what to which object."""
    await turn.store.connection.execute(
        "insert_audit",
        tenant_id=caller.tenant_id,
        token_id=caller.token_id,
        action=action,
        subject=subject,
        data=text_of(data),
        at_ms=turn.now_ms,
    )


async def _phone(connection: Connection, tenant_id: int, phone_id: str) -> Row:
    found = await connection.fetch("get_phone", tenant_id=tenant_id, phone_id=phone_id)
    if not found:
        raise PhoneUnknown
    return found[0]


async def _phone_reads(connection: Connection, tenant_id: int, rows: list[Row]) -> list[PhoneRead]:
    phone_ids = [row[0] for row in rows]
    found = await connection.fetch("phone_leases", tenant_id=tenant_id, phone_ids=phone_ids)
    leases = {row[0]: Lease(row[2], row[1], row[3]) for row in found}
    reads = []
    for row in rows:
        queue = QUEUE_PHONE + row[0]
        waiting = await connection.fetch("queue_length", tenant_id=tenant_id, queue=queue)
        reads.append(_phone_read(row, leases.get(row[0]), waiting[0][0]))
    return reads


def _phone_read(row: Row, lease: Lease | None, queue_length: int) -> PhoneRead:
    health, paused = row[2], bool(row[5])
    state = health
    if lease is not None:
        state = "busy"
    elif paused:
        state = "paused"
    return PhoneRead(
        phone_id=row[0],
        state=state,
        agent_id=row[1],
        labels=labels_of(row[4]),
        paused=paused,
        battery_percent=row[6],
        temperature_c=row[7],
        storage_free_mb=row[8],
        lease=lease,
        queue_length=queue_length,
        quarantine=row[9] if health == "quarantined" else None,
        detail=row[9],
        last_seen_ms=row[10],
    )


def _account_of(row: Row) -> Account:
    return Account(row[0], row[1], row[2], labels_of(row[3]), bool(row[4]))


def _account_values(caller: Caller, account: Account) -> dict[str, Any]:
    return {
        "tenant_id": caller.tenant_id,
        "account_id": account.account_id,
        "phone_id": account.phone_id,
        "app": account.app,
        "labels": text_of([label.lower() for label in account.labels]),
        "active": int(account.active),
    }
