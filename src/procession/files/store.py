"""What a store of files can do, whichever it is; `disk.py` and `s3.py` are the two there are."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from typing import NamedTuple, Protocol

from msgspec import Struct

from procession.core.errors import Overloaded, Refused
from procession.files.keys import shown_name
from procession.files.types import media_type

PIECE_BYTES = 262_144
"""About how much of a file is in memory while it is read or written."""


class FileTooLarge(Refused):
    """The file is larger than the server accepts."""

    code = "file_too_large"


class FilesOff(Refused):
    """This server keeps no files: it needs the setting files_url."""

    code = "files_off"


class FilesAway(Overloaded):
    """The store of files cannot be reached; try again shortly."""

    code = "files_away"


class StoredFile(Struct, frozen=True):
    """A whole file. `name` is as it was given, made safe to show; `size` is in bytes."""

    key: str
    name: str
    size: int
    type: str


class OpenFile(NamedTuple):
    """A file and the bytes from `first` to before `end`; reading raises FilesAway."""

    file: StoredFile
    first: int
    end: int
    chunks: AsyncGenerator[bytes, None]


class FileStore(Protocol):
    """Where files are kept. Every method raises FilesAway when the place cannot be reached."""

    async def put(
        self,
        org: str,
        name: str,
        chunks: AsyncIterator[bytes],
        *,
        content_type: str,
        bytes_max: int,
        folder: str = "",
    ) -> StoredFile:
        """Keep a file, whole or not at all.

        Raises FileTooLarge, Invalid for a wrong folder, and whatever `chunks` raises; then
        nothing is left behind.
        """
        ...

    async def find(self, key: str) -> StoredFile:
        """Raises FileMissing."""
        ...

    async def open(self, key: str, first: int = 0, end: int | None = None) -> OpenFile:
        """The bytes from `first` to before `end`, at most to the file's end. Raises FileMissing.

        `first` lies before the file's end; of an empty file no part is asked for, but 0 to 0.
        """
        ...

    async def exists(self, org: str, key: str) -> bool:
        """Whether the organization has such a file; another's does not exist for it."""
        ...

    async def delete(self, key: str) -> None:
        """Afterwards there is no such file; there may have been none before."""
        ...

    async def tidy(self, now_ms: int) -> int:
        """Remove what ended servers left unfinished; how many."""
        ...


def described(key: str, name: str, size: int, content_type: str) -> StoredFile:
    """A file as it is kept: its name and type made safe."""
    return StoredFile(key, shown_name(name), size, media_type(content_type))


async def counted(
    chunks: AsyncIterator[bytes], bytes_max: int, size: list[int]
) -> AsyncIterator[bytes]:
    """The chunks, while `size[0]` adds up their bytes. Raises FileTooLarge."""
    async for chunk in chunks:
        size[0] += len(chunk)
        if size[0] > bytes_max:
            raise FileTooLarge(f"a file may have {bytes_max} bytes at most")
        if chunk:
            yield chunk
