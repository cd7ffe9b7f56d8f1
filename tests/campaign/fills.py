"""Full disks: filled until callers are refused, or until the work is done; then there is room."""

from __future__ import annotations

import random
from typing import Any

from api import Reply, new_request_id
from deadline import came_true, until
from installation import Installation
from load import Load, Piece
from small_disk import SmallDisk

PADDING_BYTES = 100_000
REFUSED_S_MAX = 40.0
OVER_S_MAX = 10.0


class RefusedWrongly(AssertionError):
    """A full disk was not told of with a 503 that says so."""


def fill_sqlite(place: Installation, load: Load, chance: random.Random) -> None:
    """Callers are told that the disk is full."""
    with_full_disk(place, load, chance, place.disks["database"], ("disk is full",))


def fill_postgres(place: Installation, load: Load, chance: random.Random) -> None:
    """As before; without room for its own log PostgreSQL goes away, and may have to be started."""
    assert place.postgres is not None
    said = ("disk is full", "database is away", "not known")
    with_full_disk(place, load, chance, place.disks["database"], said)
    until(place.postgres.answers, 30, "PostgreSQL at work again")


def fill_agent(place: Installation, load: Load, chance: random.Random) -> None:
    """An agent cannot write down what it does; its work goes on."""
    disk = place.disks["agent0"]
    disk.fill()
    try:
        came_true(lambda: load.done, OVER_S_MAX)
    finally:
        disk.clear()


def with_full_disk(
    place: Installation, load: Load, chance: random.Random, disk: SmallDisk, said: tuple[str, ...]
) -> None:
    """Fill it, ask for work until it is refused, and make room. Raises RefusedWrongly."""
    disk.fill()
    try:
        body = until(lambda: refused(place, load, chance), REFUSED_S_MAX, "a refusal")
    finally:
        disk.clear()
    if not any(word in body["detail"] for word in said):
        raise RefusedWrongly(str(body))


def refused(place: Installation, load: Load, chance: random.Random) -> Any:
    """What one more caller, with large inputs, is told; None when its work was accepted."""
    inputs = place.book.inputs(0.0, padding=chance.randbytes(PADDING_BYTES).hex())
    reply: Reply = place.api.enqueue(new_request_id(), "witness", inputs)
    if reply.status in (200, 202):
        load.accepted[reply.body["process_id"]] = Piece("witness", 0.0, False, None, 0, None, 0.0)
        return None
    if reply.status != 503:
        raise RefusedWrongly(f"{reply.status} {reply.body}")
    return reply.body
