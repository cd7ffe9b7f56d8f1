"""Pages of processes, newest first, and how many there are: bounded whatever is asked.

A page takes numbers from the one index that narrows most (a request, a phone, an account, else
the kinds: namespace, type and state) and keeps the rows that the rest of the filter means. After
looking at `SCANNED_MAX` rows it ends as it is, with the number from which the next page goes on.
"""

from __future__ import annotations

import heapq
from typing import Any, NamedTuple

from procession.core.process import Process
from procession.core.states import State
from procession.store import rows
from procession.store.connection import Connection, Row

LATEST = 2**62
SCANNED_MAX = 1_000
"""Rows looked at for one page."""
STREAMS_MAX = 2_000
FEW = 4
"""So few streams are asked for all a page could need of each; more are asked step by step."""
GROWTH = 8
COUNT_MAX = 10_000
COUNT_SCANNED_MAX = 5_000
_AT_ONCE = 8
SAMPLES = 32
SAMPLE_ROWS = 128


class Filter(NamedTuple):
    """What a list shows; empty words match everything."""

    states: tuple[str, ...] = ()
    process_type: str = ""
    phone_id: str = ""
    account_id: str = ""
    request_id: str = ""
    namespace: str = ""
    search: str = ""


class Page(NamedTuple):
    """Newest first. `below` is where the next page begins, None after the last.

    A page may hold fewer than were asked for, even none, and still not be the last.
    """

    processes: list[Process]
    below: int | None


class Count(NamedTuple):
    """`exact` unless it is an estimate."""

    total: int
    exact: bool


Stream = tuple[str, *tuple[object, ...]]
"""A statement that gives numbers, newest first, and its values but for `below` and `limit`."""


class Numbers(NamedTuple):
    """Newest first; none is left out from the newest to `down_to`, 0 when there are no more."""

    numbers: list[int]
    down_to: int


async def page_processes(
    connection: Connection, tenant_id: int, wanted: Filter, below: int, limit: int
) -> Page:
    """`below` is the number of the last process already seen."""
    streams, exact = await _streams(connection, tenant_id, wanted)
    words = _words(tenant_id, wanted) | {"limit": limit + 1}
    found: list[Row] = []
    # Few rows hold what is searched for; merging many kinds again and again costs more.
    scanned, chunk = 0, limit + 1 if exact else SCANNED_MAX if wanted.search else 4 * (limit + 1)
    while True:
        numbers, down_to = await newest_numbers(connection, streams, below, chunk)
        if numbers:
            found += await connection.fetch("list_matching", process_numbers=numbers, **words)
        if len(found) > limit:
            return Page([rows.process_of(row) for row in found[:limit]], found[limit - 1][1])
        scanned, below = scanned + len(numbers), down_to
        if not down_to or scanned >= SCANNED_MAX:
            return Page([rows.process_of(row) for row in found], down_to or None)
        chunk = min(2 * chunk, SCANNED_MAX - scanned)


async def count_processes(connection: Connection, tenant_id: int, wanted: Filter) -> Count:
    """Exact up to COUNT_MAX where that many rows can be looked at, else estimated from samples."""
    streams, exact = await _streams(connection, tenant_id, wanted)
    words = _words(tenant_id, wanted)
    if exact and streams and streams[0][0] == "newest_of_kind":
        found = await count_kinds(connection, streams)
        complete = found <= COUNT_MAX
    else:
        most = COUNT_SCANNED_MAX if len(streams) <= FEW else SCANNED_MAX
        numbers, down_to = await newest_numbers(connection, streams, LATEST, most)
        found, complete = await _count(connection, numbers, words), not down_to
    if complete:
        return Count(found, True)
    return Count(max(found, await _estimate(connection, words)), False)


def _words(tenant_id: int, wanted: Filter) -> dict[str, Any]:
    return wanted._asdict() | {
        "tenant_id": tenant_id,
        "states": list(wanted.states),
        "search": like(wanted.search),
    }


_NARROW = {
    "request_id": ("newest_of_request",),
    "phone_id": ("newest_of_phone", "newest_fan_outs_of_phone"),
    "account_id": ("newest_of_account", "newest_fan_outs_of_account"),
}


async def _streams(
    connection: Connection, tenant_id: int, wanted: Filter
) -> tuple[list[Stream], bool]:
    """Where numbers come from, and whether every one of them matches the whole filter."""
    for field, names in _NARROW.items():
        if key := getattr(wanted, field):
            return [(name, tenant_id, key) for name in names], wanted == Filter(**{field: key})
    streams = await kinds_of(connection, tenant_id, wanted)
    if len(streams) > STREAMS_MAX:
        return [("newest_of_all",)], False
    return streams, not wanted.search


async def kinds_of(connection: Connection, tenant_id: int, wanted: Filter) -> list[Stream]:
    """A stream for each namespace, type and state a filter may mean."""
    spaces = [wanted.namespace]
    if not wanted.namespace:
        found = await connection.fetch("list_namespaces", tenant_id=tenant_id, limit=STREAMS_MAX)
        spaces = [row[0] for row in found]
    if wanted.process_type:
        kinds = [(space, wanted.process_type) for space in spaces]
    else:
        wants = [(tenant_id, space, STREAMS_MAX) for space in spaces]
        found = await connection.fetch_each("list_types", wants)
        kinds = [(spaces[row[0] - 1], row[1]) for row in found]
    states = wanted.states or tuple(state.value for state in State)
    return [
        ("newest_of_kind", tenant_id, space, kind, state)
        for space, kind in kinds
        for state in states
    ]


async def newest_numbers(
    connection: Connection, streams: list[Stream], below: int, limit: int
) -> Numbers:
    """The newest of all streams: of each only as much as the others leave it to give."""
    floors = dict.fromkeys(streams, below)
    found: set[int] = set()
    newest: list[int] = []
    size = limit if len(streams) <= FEW else limit // len(streams) + 1
    open_, ends = streams, 0
    while open_:
        found |= await _more(connection, open_, floors, size)
        newest = heapq.nlargest(limit, found)
        ends = newest[-1] if len(newest) == limit else 0
        open_ = [stream for stream in streams if floors[stream] > ends]
        size = min(limit, size * GROWTH)
    return Numbers(newest, ends)


async def _more(
    connection: Connection, streams: list[Stream], floors: dict[Stream, int], size: int
) -> set[int]:
    """`size` more numbers of each stream, and how far down each has come now; 0 is its end."""
    by_name: dict[str, list[Stream]] = {}
    for stream in streams:
        by_name.setdefault(stream[0], []).append(stream)
    found: set[int] = set()
    for name, asked in by_name.items():
        wants = [(*stream[1:], floors[stream], size) for stream in asked]
        given: dict[int, list[int]] = {}
        for place, number in await connection.fetch_each(name, wants):
            given.setdefault(place, []).append(number)
        for place, stream in enumerate(asked, 1):
            numbers = given.get(place, [])
            floors[stream] = min(numbers) if len(numbers) == size else 0
            found.update(numbers)
    return found


async def count_kinds(connection: Connection, streams: list[Stream]) -> int:
    """Not beyond the first that make it more than COUNT_MAX."""
    counted = 0
    for start in range(0, len(streams), _AT_ONCE):
        some = streams[start : start + _AT_ONCE]
        wants = [(*stream[1:], COUNT_MAX + 1 - counted) for stream in some]
        counted += sum(row[1] for row in await connection.fetch_each("count_of_kind", wants))
        if counted > COUNT_MAX:
            break
    return counted


async def number_range(connection: Connection) -> tuple[int, int]:
    """The first and the last number there is; zeros where there is none."""
    first = (await connection.fetch("first_number"))[0][0]
    last = (await connection.fetch("last_number"))[0][0]
    return first or 0, last or 0


async def _count(connection: Connection, numbers: list[int], words: dict[str, Any]) -> int:
    counted = await connection.fetch("count_matching", process_numbers=numbers, **words)
    total: int = counted[0][0]
    return total


async def _estimate(connection: Connection, words: dict[str, Any]) -> int:
    numbers, share = await sampled(connection)
    return round(await _count(connection, numbers, words) * share)


async def sampled(connection: Connection, at_each: int = SAMPLE_ROWS) -> tuple[list[int], float]:
    """Numbers at SAMPLES places, spread evenly over all there are; each stands for so many."""
    first, last = await number_range(connection)
    width = (last - first) // SAMPLES + 1
    bounds = [first + place * width for place in range(1, SAMPLES + 1)]
    wants = [(bound, at_each) for bound in bounds]
    taken: dict[int, list[int]] = {}
    for place, number in await connection.fetch_each("newest_of_all", wants):
        if number >= bounds[place - 1] - width:
            taken.setdefault(place, []).append(number)
    # What the samples cover, where pruning left gaps too.
    covered = sum(
        bounds[place - 1] - min(numbers) if len(numbers) == at_each else width
        for place, numbers in taken.items()
    ) + width * (SAMPLES - len(taken))
    numbers = [number for some in taken.values() for number in some]
    return numbers, SAMPLES * width / covered


def like(search: str) -> str:
    """A LIKE pattern that finds `search` anywhere, with its wildcards taken literally.

    Lower case is left to the database, which must see both sides in the same way.
    """
    if not search:
        return ""
    text = search.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"%{text}%"
