"""How a file is answered: headers that keep a browser from running it, ranges, the body."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from urllib.parse import quote

from procession.core.errors import Refused
from procession.files.store import OpenFile, StoredFile
from procession.files.types import is_shown

Headers = tuple[tuple[bytes, bytes], ...]

_RANGE = re.compile(r"bytes=([0-9]{0,15})-([0-9]{0,15})")
_UNQUOTED = re.compile(r"[^A-Za-z0-9 ._()\[\]-]")
_ALWAYS: Headers = (
    (b"x-content-type-options", b"nosniff"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'self'; sandbox"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"private, no-store"),
    (b"accept-ranges", b"bytes"),
)


class RangeUnsatisfiable(Refused):
    """The file ends before the range that was asked for."""

    code = "range_unsatisfiable"


def headers_of(file: StoredFile) -> Headers:
    """Headers for every answer with this file: shown only where its type is known as harmless."""
    return (*_ALWAYS, (b"content-disposition", _disposition(file).encode("ascii")))


def type_of(file: StoredFile) -> bytes:
    """The content type of the answer."""
    if file.type == "text/plain":
        return b"text/plain; charset=utf-8"
    return file.type.encode("ascii")


def span(header: str, size: int) -> tuple[int, int] | None:
    """The bytes a Range header asks for, as first and end; None for the whole file.

    What is not one readable range means the whole file. Raises RangeUnsatisfiable.
    """
    match = _RANGE.fullmatch(header.strip())
    if match is None or not (match[1] or match[2]):
        return None
    if not match[1]:
        first, last = size - int(match[2]), size - 1
    else:
        first, last = int(match[1]), int(match[2] or size - 1)
        if match[2] and last < first:
            return None
    if first >= size or last < 0:
        raise RangeUnsatisfiable
    return max(first, 0), min(last, size - 1) + 1


def sized(opened: OpenFile) -> Headers:
    """Length, and place where it is a part: `content-range` belongs to status 206."""
    length = (b"content-length", b"%d" % (opened.end - opened.first))
    if opened.end - opened.first == opened.file.size:
        return (length,)
    words = (opened.first, opened.end - 1, opened.file.size)
    return (length, (b"content-range", b"bytes %d-%d/%d" % words))


class FileBody:
    """The body of an answer, written as it is read."""

    def __init__(self, chunks: AsyncGenerator[bytes, None]) -> None:
        self._chunks = chunks
        self._closed = False

    async def run(self, write: Callable[[bytes], Awaitable[None]]) -> None:
        """Write until the file ends or `close` was called. Raises FilesAway."""
        async with aclosing(self._chunks) as chunks:
            async for chunk in chunks:
                if self._closed:
                    return
                await write(chunk)

    def close(self) -> None:
        self._closed = True


def _disposition(file: StoredFile) -> str:
    how = "inline" if is_shown(file.type) else "attachment"
    plain = _UNQUOTED.sub("_", file.name)
    return f"{how}; filename=\"{plain}\"; filename*=UTF-8''{quote(file.name, safe='')}"
