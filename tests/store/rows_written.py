"""Rows written as a turn writes them, kind by kind."""

from __future__ import annotations

from collections.abc import Iterable

from procession.core.process import Event, Item
from procession.store import rows
from procession.store.connection import Row
from procession.store.store import Store


async def write(store: Store, name: str, written: Iterable[Row]) -> None:
    if kept := list(written):
        await store.write([(name, kept)])


async def insert_items(store: Store, items: Iterable[Item]) -> None:
    await write(store, "insert_item", await store.item_rows(items))


async def update_items(store: Store, updates: Iterable[tuple[Item, Item]]) -> None:
    """Pairs of before and after."""
    await write(
        store, "update_item", [rows.item_update_row(after, before) for before, after in updates]
    )


async def insert_events(store: Store, events: Iterable[Event]) -> None:
    await write(
        store, "insert_event", [rows.event_row(e, rows.text_of(e.standing)) for e in events]
    )
