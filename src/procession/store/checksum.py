"""The sum of a table's rows: the same whatever their order and database."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from hashlib import blake2b
from typing import NamedTuple

from msgspec.json import Encoder

from procession.store.connection import Row

ROWS_AT_ONCE = 5_000
CHECKSUM_BYTES = 8

_encode = Encoder().encode


class Sum(NamedTuple):
    """The rows of a table, whatever their order."""

    rows: int
    checksum: str


class Adding:
    """Adds rows to a Sum; `told` hears of every ROWS_AT_ONCE."""

    def __init__(self, told: Callable[[int], None]) -> None:
        self._rows = self._total = 0
        self._told = told

    def add(self, row: Row) -> None:
        digest = blake2b(_encode(row), digest_size=CHECKSUM_BYTES).digest()
        self._total += int.from_bytes(digest, "big")
        self._rows += 1
        if self._rows % ROWS_AT_ONCE == 0:
            self._told(self._rows)

    def passing(self, rows: Iterable[Row]) -> Iterator[Row]:
        for row in rows:
            self.add(row)
            yield row

    @property
    def sum(self) -> Sum:
        total = self._total % 2 ** (8 * CHECKSUM_BYTES)
        return Sum(self._rows, f"{total:0{2 * CHECKSUM_BYTES}x}")
