"""Rows that are equal in their key: the keys lie in a file, so that a million cost no memory."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from hashlib import blake2b
from typing import Any

CACHE_KB = 8_192
KEY_CHARS_MAX = 64
DIGEST_BYTES = 16


class Keys:
    """The keys seen so far, each with the line it came from first. Use as `with Keys() as …`."""

    def __init__(self) -> None:
        # An empty name is a file of its own in the run's temporary folder, gone when closed.
        self._db = sqlite3.connect("", isolation_level=None)
        for pragma in ("journal_mode=OFF", "synchronous=OFF", f"cache_size=-{CACHE_KB}"):
            self._db.execute(f"PRAGMA {pragma}")
        self._db.execute("CREATE TABLE seen (key TEXT PRIMARY KEY, line INTEGER) WITHOUT ROWID")
        self._db.execute("BEGIN")

    def __enter__(self) -> Keys:
        return self

    def __exit__(self, *_: object) -> None:
        self._db.close()

    def add(self, lines: Sequence[int], keys: Sequence[tuple[Any, ...]]) -> dict[int, int]:
        """Keep these keys; of those that were there already, by line, the line they are equal to.

        A key with a null in it is equal to no other, as in SQL.
        """
        texts = [
            (_text(key), line) for key, line in zip(keys, lines, strict=True) if None not in key
        ]
        before = self._db.total_changes
        self._db.executemany("INSERT OR IGNORE INTO seen VALUES (?, ?)", texts)
        if self._db.total_changes - before == len(texts):
            return {}
        found = {}
        for text, line in texts:
            (first,) = self._db.execute("SELECT line FROM seen WHERE key = ?", (text,)).fetchone()
            if first != line:
                found[line] = first
        return found


def _text(key: tuple[Any, ...]) -> str:
    text = "\x1f".join(map(str, key))
    if len(text) > KEY_CHARS_MAX:
        return (
            "\0"
            + blake2b(text.encode("utf-8", "surrogatepass"), digest_size=DIGEST_BYTES).hexdigest()
        )
    return text
