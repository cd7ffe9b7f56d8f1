"""Which items a request becomes: accounts and phones to the queues where its items wait."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from procession.core.errors import AccountUnknown, Invalid, PhoneUnknown
from procession.store.claiming import QUEUE_ANY, QUEUE_LABEL, QUEUE_PHONE, queues_of
from procession.store.connection import Connection, Topic
from procession.store.rows import text_of
from procession.store.store import like

MEMBERS_MAX = 10_000


class Place(NamedTuple):
    """Where one item waits, and for whom."""

    queue: str
    phone_id: str | None
    account_id: str | None


class Target(NamedTuple):
    """A request's target; empty fields narrow nothing."""

    routing: str
    account_id: str | None = None
    phone_id: str | None = None
    account_ids: tuple[str, ...] = ()
    phone_ids: tuple[str, ...] = ()
    account_group: str | None = None
    phone_group: str | None = None


async def places(connection: Connection, tenant_id: int, target: Target) -> list[Place]:
    """The places of a target's items. Raises AccountUnknown, PhoneUnknown or Invalid."""
    if target.routing == "direct":
        return [await _direct(connection, tenant_id, target)]
    if target.routing == "queue":
        return [await _queued(connection, tenant_id, target)]
    return await _members(connection, tenant_id, target)


async def _direct(connection: Connection, tenant_id: int, target: Target) -> Place:
    assert target.account_id is not None and target.phone_id is not None
    await active_account(connection, tenant_id, target.account_id)
    await _known_phones(connection, tenant_id, [target.phone_id])
    return Place(QUEUE_PHONE + target.phone_id, target.phone_id, target.account_id)


async def _queued(connection: Connection, tenant_id: int, target: Target) -> Place:
    if target.account_id is not None:
        row = await active_account(connection, tenant_id, target.account_id)
        return _place_of(row, target.phone_group)
    if target.account_group is not None:
        rows = await _labelled_accounts(connection, tenant_id, target.account_group)
        return _place_of(rows[0], target.phone_group)
    if target.phone_group is not None:
        await _labelled_phones(connection, tenant_id, target.phone_group)
    return Place(_shared(target.phone_group), None, None)


async def _members(connection: Connection, tenant_id: int, target: Target) -> list[Place]:
    if target.account_ids:
        rows = await _named_accounts(connection, tenant_id, list(target.account_ids))
        return [_place_of(row, target.phone_group) for row in rows]
    if target.account_group is not None:
        rows = await _labelled_accounts(connection, tenant_id, target.account_group)
        return [_place_of(row, target.phone_group) for row in rows]
    if target.phone_ids:
        phone_ids = list(dict.fromkeys(target.phone_ids))
        await _known_phones(connection, tenant_id, phone_ids)
    else:
        assert target.phone_group is not None
        phone_ids = await _labelled_phones(connection, tenant_id, target.phone_group)
    return [Place(QUEUE_PHONE + phone_id, phone_id, None) for phone_id in phone_ids]


def claim_topics(
    tenant_id: int, phone_ids: list[str], known: Mapping[str, tuple[list[str], str]]
) -> list[Topic]:
    """Everything whose change may mean work for these phones.

    `known` has the labels and the kind of those the store knows.
    """
    topics: dict[Topic, None] = {}
    for phone_id in phone_ids:
        labels, kind = known.get(phone_id, ([], "phone"))
        topics |= dict.fromkeys(
            ("queue", tenant_id, queue) for queue in queues_of(phone_id, labels, kind)
        )
        topics["phone", tenant_id, phone_id] = None
    return list(topics)


async def active_account(connection: Connection, tenant_id: int, account_id: str) -> Any:
    """The account's row: id, phone, app, labels, active. Raises AccountUnknown."""
    found = await connection.fetch("get_account", tenant_id=tenant_id, account_id=account_id)
    if not found or not found[0][4]:
        raise AccountUnknown
    return found[0]


async def _named_accounts(
    connection: Connection, tenant_id: int, account_ids: list[str]
) -> list[Any]:
    wanted = list(dict.fromkeys(account_ids))
    found = await connection.fetch("accounts_named", tenant_id=tenant_id, account_ids=wanted)
    active = {row[0]: row for row in found if row[4]}
    if len(active) != len(wanted):
        raise AccountUnknown
    return [active[account_id] for account_id in wanted]


async def _labelled_accounts(connection: Connection, tenant_id: int, label: str) -> list[Any]:
    found = await connection.fetch(
        "accounts_labelled", tenant_id=tenant_id, pattern=_quoted(label), limit=MEMBERS_MAX + 1
    )
    return _some(found, "/target/account_group", "active account", label)


async def _labelled_phones(connection: Connection, tenant_id: int, label: str) -> list[str]:
    found = await connection.fetch(
        "phones_labelled", tenant_id=tenant_id, pattern=_quoted(label), limit=MEMBERS_MAX + 1
    )
    return [row[0] for row in _some(found, "/target/phone_group", "phone", label)]


async def _known_phones(connection: Connection, tenant_id: int, phone_ids: list[str]) -> None:
    found = await connection.fetch("phones_named", tenant_id=tenant_id, phone_ids=phone_ids)
    if len(found) != len(phone_ids):
        raise PhoneUnknown


def _some(found: list[Any], pointer: str, what: str, label: str) -> list[Any]:
    if not found:
        raise Invalid(pointer, f"no {what} has the label {label!r}")
    if len(found) > MEMBERS_MAX:
        raise Invalid(pointer, f"more than {MEMBERS_MAX} have the label {label!r}")
    return found


def _place_of(account: Any, phone_group: str | None) -> Place:
    """The account's own phone, else the first free one (of the group, where one is named)."""
    account_id, phone_id = account[0], account[1]
    if phone_id is not None:
        return Place(QUEUE_PHONE + phone_id, phone_id, account_id)
    return Place(_shared(phone_group), None, account_id)


def _shared(phone_group: str | None) -> str:
    return QUEUE_ANY if phone_group is None else QUEUE_LABEL + phone_group.lower()


def _quoted(label: str) -> str:
    """Finds the label as a whole in a JSON list of lower-case labels."""
    return like(text_of(label.lower()))


__all__ = ["MEMBERS_MAX", "Place", "Target", "active_account", "claim_topics", "places"]
