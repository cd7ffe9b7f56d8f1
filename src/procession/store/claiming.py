"""Which waiting items free phones get: of each phone's queues the oldest."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Sequence
from typing import NamedTuple

from msgspec import Struct

from procession.core.process import Item, Process
from procession.store import rows
from procession.store.connection import Row
from procession.store.store import Store

QUEUE_ANY = "phones"
QUEUE_PHONE = "phone/"
QUEUE_LABEL = "phones/"
QUEUE_JOBS = "jobs/"


class Claiming(Struct, frozen=True):
    """Phones of one agent that look for work, at most one item each."""

    tenant_id: int
    agent_id: str
    phone_ids: list[str]
    lease_ms: int


class Offer(NamedTuple):
    """An item for a phone, with its process; both locked where rows can be."""

    phone_id: str
    item: Item
    process: Process


Waiting = tuple[int, Row]
"""The number of an item that waits, and the row with the item and its process."""
_ITEM_COLUMNS = 24


async def offers(store: Store, work: Claiming, now_ms: int) -> list[Offer]:
    """Each free phone gets the oldest item it may take."""
    tenant_id = work.tenant_id
    free = await store.connection.fetch(
        "free_phones",
        tenant_id=tenant_id,
        agent_id=work.agent_id,
        phone_ids=work.phone_ids,
    )
    queues: dict[str, Sequence[str]] = {
        row[0]: queues_of(row[0], rows.labels_of(row[1]), row[2]) for row in free
    }
    heads = await _heads(store, tenant_id, queues, now_ms)
    offers = []
    for phone_id, names in queues.items():
        waiting = [heads[queue] for queue in names if heads.get(queue)]
        if waiting:
            _, row = min(waiting, key=lambda queue: queue[0][0]).popleft()
            item = rows.item_of(row[:_ITEM_COLUMNS])
            offers.append(Offer(phone_id, item, rows.process_of(row[_ITEM_COLUMNS:])))
    return offers


async def _heads(
    store: Store, tenant_id: int, queues: dict[str, Sequence[str]], now_ms: int
) -> dict[str, deque[Waiting]]:
    """The oldest items of all these phones' queues, as many as phones look into each."""
    wanted = Counter(queue for names in queues.values() for queue in names)
    marks = store.marks
    wants = [
        (tenant_id, queue, marks.begin(tenant_id, queue, now_ms), count)
        for queue, count in wanted.items()
    ]
    asked = list(wanted)
    heads: dict[str, deque[Waiting]] = {}
    found = await store.connection.fetch_each("queue_head", wants)
    for place, number, *row in sorted(found, key=lambda row: row[1]):
        heads.setdefault(asked[place - 1], deque()).append((number, row))
    for queue, waiting in heads.items():
        marks.found(tenant_id, queue, waiting[0][0])
    return heads


def queues_of(phone_id: str, labels: Sequence[str], kind: str) -> list[str]:
    """Where a phone finds its work; a lane for jobs has its job types as labels."""
    if kind == "lane":
        return [QUEUE_JOBS + label for label in labels]
    return [QUEUE_PHONE + phone_id, QUEUE_ANY, *(QUEUE_LABEL + label for label in labels)]
