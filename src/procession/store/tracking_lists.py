"""Pages of processes by offset, newest or oldest first, with how many there are.

What is in an index alone (namespace, type, state) is read from it, however deep the page lies.
With more in the filter, the smallest of its parts gives numbers and the other parts sift them: all
at once where they are few, else a piece at a time until the page is full. Oldest first, numbers are
read mirrored: then they fall as well, and one way of merging does for both.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from procession.core.process import Process
from procession.store import rows
from procession.store.connection import Connection, Row
from procession.store.lists import (
    COUNT_MAX,
    LATEST,
    STREAMS_MAX,
    Count,
    Filter,
    Stream,
    count_kinds,
    kinds_of,
    like,
    newest_numbers,
    number_range,
    sampled,
)

MIRROR = 2**61
"""What a number and its mirrored number add up to; stands in the statements too."""
FEW_MAX = COUNT_MAX
"""So many numbers are sifted at once."""
DENSE = 3
"""A text in so many times FEW_MAX names is met soon by looking at one after the other."""
PIECE_MAX = 4_000
SKIP_MIN = 1_000
"""So many are left out by reading them; more are counted."""
SCANNED_AT_ONCE = 50_000
SAMPLE_ROWS = 32
SKIPS_MAX = 16
SHY = 0.98
"""A guess that is a little short costs less than one that is too far."""
HIDDEN_TYPE = "task"
BACKSLASH, ANY = "\\", "_"
"""Only one database takes the first to be more than a character; the second is any."""
_TRIGRAM = re.compile(r"[^\W_]{3}")


class Wanted(NamedTuple):
    """What a list shows; empty words match everything. Names and searches are in lower case."""

    states: tuple[str, ...] = ()
    namespace: str = ""
    search: str = ""
    template_id: str = ""
    metadata: tuple[tuple[str, str], ...] = ()
    oldest_first: bool = False


class Listing(NamedTuple):
    """A page, and how many the filter means, exactly or about."""

    processes: list[Process]
    counted: Count


class _Found(NamedTuple):
    numbers: list[int]
    counted: Count


Pause = Callable[[], Awaitable[None]]


async def list_tracked(
    connection: Connection,
    tenant_id: int,
    wanted: Wanted,
    *,
    tracked_type: str,
    offset: int,
    limit: int,
    pause: Pause,
) -> Listing:
    """`pause` is awaited between two pieces of a long look, which others need not wait for."""
    look = _Look(connection, tenant_id, wanted, tracked_type, pause)
    found = await look.page(offset, limit)
    got = await connection.fetch("processes_numbered", process_numbers=found.numbers)
    by_number = {row[1]: rows.process_of(row) for row in got}
    page = [by_number[number] for number in found.numbers if number in by_number]
    return Listing(page, found.counted)


class _Look:
    """One question, put to one database."""

    def __init__(
        self,
        connection: Connection,
        tenant_id: int,
        wanted: Wanted,
        tracked_type: str,
        pause: Pause,
    ) -> None:
        self._connection = connection
        self._tenant_id = tenant_id
        self._wanted = wanted
        self._tracked_type = tracked_type
        self._pause = pause
        self._types: list[str] = []
        self._sample: tuple[list[int], float] | None = None
        self._is_mixed = False

    async def page(self, offset: int, limit: int) -> _Found:
        wanted = self._wanted
        kinds = await self._kinds()
        if not (wanted.search or wanted.template_id or wanted.metadata or self._is_mixed):
            return await self._by_kind(kinds, offset, limit)
        few = await self._few(kinds)
        if few is None:
            return await self._walk(kinds, offset, limit)
        numbers = sorted(few, reverse=not wanted.oldest_first)
        return _Found(numbers[offset : offset + limit], Count(len(numbers), True))

    async def _kinds(self) -> list[Stream]:
        """Those that may hold what is wanted; too many to merge are looked through all together."""
        wanted = self._wanted
        seen = Filter(states=wanted.states, namespace=wanted.namespace)
        kinds = await kinds_of(self._connection, self._tenant_id, seen)
        types = {_type_of(kind) for kind in kinds} - {HIDDEN_TYPE}
        if wanted.template_id or wanted.metadata:
            types &= {self._tracked_type}
        untracked = types - {self._tracked_type}
        self._types = sorted(one for one in untracked if wanted.search in one.lower())
        types -= untracked.difference(self._types)
        kinds = [kind for kind in kinds if _type_of(kind) in types]
        self._is_mixed = len(kinds) > STREAMS_MAX
        if self._is_mixed:
            return [("newest_of_all",)]
        return kinds

    async def _by_kind(self, kinds: list[Stream], offset: int, limit: int) -> _Found:
        """Every number of these matches."""
        counted = await count_kinds(self._connection, kinds)
        below, left = LATEST, offset
        count = Count(counted, True)
        if counted > COUNT_MAX:
            count = Count(max(counted, await self._estimated()), False)
            if offset > SKIP_MIN:
                below, left = await self._skip(kinds, offset, count.total)
        elif offset >= counted:
            return _Found([], count)
        read = await newest_numbers(self._connection, self._turned(kinds), below, left + limit)
        numbers = [self._number(one) for one in read.numbers[left:]]
        if not count.exact and not read.down_to:
            count = Count(offset - left + len(read.numbers), True)
        return _Found(numbers, count)

    async def _few(self, kinds: list[Stream]) -> list[int] | None:
        """All that one part of the filter means and the others mean too, if any means few."""
        wanted, tenant_id = self._wanted, self._tenant_id
        parts: list[list[Stream]] = [] if self._is_mixed else [kinds]
        parts += [[("newest_marked", tenant_id, *pair)] for pair in wanted.metadata]
        if wanted.template_id:
            parts.append([("newest_of_template", tenant_id, wanted.template_id)])
        for part in parts:
            if part is kinds and await count_kinds(self._connection, kinds) > FEW_MAX:
                continue
            read = await newest_numbers(self._connection, part, LATEST, FEW_MAX + 1)
            if len(read.numbers) <= FEW_MAX:
                return await self._sifted(read.numbers, of_kinds=part is kinds)
        if wanted.search and not self._is_mixed and not await self._is_dense():
            named = await self._named(kinds)
            return None if named is None else await self._sifted(named)
        return None

    async def _is_dense(self) -> bool:
        """Whether the text is in so many names that an index is the longer way to them."""
        numbers, share = await self._sampled()
        return len(await self._sift_names(numbers)) * share > DENSE * FEW_MAX

    async def _named(self, kinds: list[Stream]) -> list[int] | None:
        """Numbers of names with the text, and of types with it, if there are few."""
        others = [kind for kind in kinds if _type_of(kind) != self._tracked_type]
        if await count_kinds(self._connection, others) > FEW_MAX:
            return None
        found = await (self._read_index if _TRIGRAM.search(self._wanted.search) else self._scan)()
        if len(found) > FEW_MAX:
            return None
        return found + (await newest_numbers(self._connection, others, LATEST, FEW_MAX)).numbers

    async def _read_index(self) -> list[int]:
        """At least as many as make more than few, if there are."""
        text = self._wanted.search
        return _firsts(
            await self._connection.fetch(
                "numbers_named",
                tenant_id=self._tenant_id,
                loosely=f"%{text.replace(BACKSLASH, ANY)}%",
                search=like(text),
                limit=FEW_MAX + 1,
            )
        )

    async def _scan(self) -> list[int]:
        """As `_read_index`, for what is too short for it: by reading every name, in pieces."""
        first, last = await number_range(self._connection)
        found: list[int] = []
        for above in range(first - 1, last, SCANNED_AT_ONCE):
            found += _firsts(
                await self._connection.fetch(
                    "numbers_scanned",
                    tenant_id=self._tenant_id,
                    search=like(self._wanted.search),
                    above=above,
                    upto=above + SCANNED_AT_ONCE,
                )
            )
            if len(found) > FEW_MAX:
                break
            await self._pause()
        return found

    async def _walk(self, kinds: list[Stream], offset: int, limit: int) -> _Found:
        """Every part means many: one after the other, until the page is full."""
        driver = self._driver()
        of_kinds = not driver and not self._is_mixed
        streams = self._turned(driver or kinds)
        found: list[int] = []
        below, piece = LATEST, 4 * (limit + 1)
        while len(found) < offset + limit:
            read = await newest_numbers(self._connection, streams, below, piece)
            numbers = [self._number(one) for one in read.numbers]
            matching = await self._sifted(numbers, of_kinds=of_kinds)
            found += sorted(matching, reverse=not self._wanted.oldest_first)
            below, piece = read.down_to, min(2 * piece, PIECE_MAX)
            if not below:
                return _Found(found[offset : offset + limit], Count(len(found), True))
            await self._pause()
        page = found[offset : offset + limit]
        return _Found(page, Count(max(len(found), await self._estimated()), False))

    def _driver(self) -> list[Stream]:
        """What is narrower than kinds, though it means many too."""
        if self._wanted.metadata:
            return [("newest_marked", self._tenant_id, *self._wanted.metadata[0])]
        if self._wanted.template_id:
            return [("newest_of_template", self._tenant_id, self._wanted.template_id)]
        return []

    def _turned(self, streams: list[Stream]) -> list[Stream]:
        """The same streams from the end the list begins at."""
        if not self._wanted.oldest_first:
            return streams
        return [(f"oldest{stream[0].removeprefix('newest')}", *stream[1:]) for stream in streams]

    def _number(self, read: int) -> int:
        return MIRROR - read if self._wanted.oldest_first else read

    async def _skip(self, kinds: list[Stream], offset: int, total: int) -> tuple[int, int]:
        """Where to read from, and how many to leave out of that: by counting up to a guess."""
        first, last = await number_range(self._connection)
        oldest = self._wanted.oldest_first
        edge = first - 1 if oldest else last + 1
        left, stride = offset, (last - first + 1) / total
        for _ in range(SKIPS_MAX):
            if left <= SKIP_MIN or not (edge < last if oldest else edge > first):
                break
            step = max(1, int(SHY * left * stride))
            pivot = edge + step if oldest else edge - step
            counted = await self._between(kinds, edge, pivot)
            while counted > left:
                # Too far: only what lies beyond the next guess is counted again.
                step = int(SHY * step * left / counted)
                nearer = edge + step if oldest else edge - step
                counted -= await self._between(kinds, nearer, pivot)
                pivot = nearer
            edge, left = pivot, left - counted
            stride = step / counted if counted else 4 * stride
        return (MIRROR - edge if oldest else edge), left

    async def _between(self, kinds: list[Stream], edge: int, pivot: int) -> int:
        """How many lie from the edge, which is left out, to the pivot, which is not."""
        above, below = (edge, pivot + 1) if edge < pivot else (pivot - 1, edge)
        wants = [(*kind[1:], above, below) for kind in kinds]
        return sum(
            row[1] for row in await self._connection.fetch_each("count_of_kind_between", wants)
        )

    async def _estimated(self) -> int:
        numbers, share = await self._sampled()
        return round(len(await self._sifted(numbers)) * share)

    async def _sampled(self) -> tuple[list[int], float]:
        if self._sample is None:
            self._sample = await sampled(self._connection, SAMPLE_ROWS)
        return self._sample

    async def _sifted(self, numbers: list[int], *, of_kinds: bool = False) -> list[int]:
        """Those that every part of the filter means; of its kinds they may be already."""
        wanted, tenant_id = self._wanted, self._tenant_id
        fetch = self._connection.fetch
        for key, value in wanted.metadata:
            numbers = _firsts(
                await fetch(
                    "sift_marked",
                    tenant_id=tenant_id,
                    key=key,
                    value=value,
                    process_numbers=numbers,
                )
            )
        if wanted.template_id:
            words = {"tenant_id": tenant_id, "template_id": wanted.template_id}
            numbers = _firsts(await fetch("sift_templates", process_numbers=numbers, **words))
        if wanted.search:
            numbers = await self._sift_names(numbers)
        if of_kinds or not numbers:
            return numbers
        return _firsts(
            await fetch(
                "sift_processes",
                process_numbers=numbers,
                tenant_id=tenant_id,
                namespace=wanted.namespace,
                states=list(wanted.states),
            )
        )

    async def _sift_names(self, numbers: list[int]) -> list[int]:
        return _firsts(
            await self._connection.fetch(
                "sift_names",
                process_numbers=numbers,
                tenant_id=self._tenant_id,
                search=like(self._wanted.search),
                process_types=self._types,
            )
        )


def _type_of(kind: Stream) -> str:
    return str(list(kind)[3])


def _firsts(found: list[Row]) -> list[int]:
    return [row[0] for row in found]
