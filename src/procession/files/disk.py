"""Files in a folder: `<root>/<org>/<place>/` holds `content` and `about.json`.

A file is written in a folder of its own that gets its name by one rename, so that it is there whole
or not at all. No symbolic link below the root is followed.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import secrets
import shutil
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from pathlib import Path
from typing import IO

import msgspec

from procession.files.keys import FileMissing, Key, make_key, read_key
from procession.files.store import (
    PIECE_BYTES,
    FilesAway,
    OpenFile,
    StoredFile,
    counted,
    described,
)

WRITE_BYTES = 1_048_576
PART_KEPT_MS = 3_600_000
_PART = ".part-"
_CONTENT, _ABOUT = "content", "about.json"
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC
_WRITE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class DiskFiles:
    """A FileStore below `root`, which is made when the first file comes."""

    def __init__(self, root: Path) -> None:
        self._root = root

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
        key = make_key(org, folder, name, secrets.token_hex(16))
        part = await asyncio.to_thread(_Part, self._root, key)
        size = [0]
        try:
            await _write(part, counted(chunks, bytes_max, size))
            file = described(key.text, name, size[0], content_type)
            await asyncio.to_thread(part.finish, file)
        finally:
            await asyncio.shield(asyncio.to_thread(part.drop))
        return file

    async def find(self, key: str) -> StoredFile:
        return await asyncio.to_thread(self._about, read_key(key))

    async def open(self, key: str, first: int = 0, end: int | None = None) -> OpenFile:
        parts = read_key(key)
        file = await asyncio.to_thread(self._about, parts)
        stop = file.size if end is None else min(end, file.size)
        return OpenFile(file, first, stop, self._pieces(parts, first, stop - first))

    async def exists(self, org: str, key: str) -> bool:
        try:
            return read_key(key).org == org and bool(await self.find(key))
        except FileMissing:
            return False

    async def delete(self, key: str) -> None:
        with contextlib.suppress(FileMissing):
            await asyncio.to_thread(self._remove, read_key(key))

    async def tidy(self, now_ms: int) -> int:
        return await asyncio.to_thread(self._tidy, now_ms)

    def _about(self, key: Key) -> StoredFile:
        with _disk(), _folder(self._root, key) as folder, _opened(_ABOUT, folder) as file:
            about = msgspec.json.decode(file.read(), type=StoredFile)
        if about.key != key.text:
            raise FileMissing
        return about

    def _content(self, key: Key, first: int) -> IO[bytes]:
        with _disk(), _folder(self._root, key) as folder:
            file = _opened(_CONTENT, folder)
            file.seek(first)
            return file

    async def _pieces(self, key: Key, first: int, left: int) -> AsyncGenerator[bytes, None]:
        with await asyncio.to_thread(self._content, key, first) as file:
            while left > 0:
                with _disk():
                    piece = await asyncio.to_thread(file.read, min(PIECE_BYTES, left))
                if not piece:
                    raise FilesAway("the file ends before its size")
                left -= len(piece)
                yield piece

    def _remove(self, key: Key) -> None:
        self._about(key)
        with _disk(), _folder(self._root, key) as folder:
            os.unlink(_ABOUT, dir_fd=folder)
            os.unlink(_CONTENT, dir_fd=folder)
            (self._root / key.org / key.place).rmdir()

    def _tidy(self, now_ms: int) -> int:
        removed = 0
        for path in self._root.glob(f"*/{_PART}*"):
            with contextlib.suppress(OSError):
                if path.lstat().st_mtime * 1_000 < now_ms - PART_KEPT_MS:
                    shutil.rmtree(path)
                    removed += 1
        return removed


class _Part:
    """A file on its way in: `add`, then `finish`; `drop` in any case. Raises FilesAway."""

    def __init__(self, root: Path, key: Key) -> None:
        self._org = root / key.org
        self._folder = self._org / (_PART + secrets.token_hex(8))
        self._place = self._org / key.place
        with _written():
            self._org.mkdir(parents=True, exist_ok=True, mode=0o700)
            if self._org.is_symlink():
                raise FilesAway("the folder of an organization is a symbolic link")
            self._folder.mkdir(mode=0o700)
            self._file = self._made(_CONTENT)

    def add(self, data: bytes) -> None:
        with _written():
            self._file.write(data)

    def finish(self, about: StoredFile) -> None:
        with _written():
            _settle(self._file)
            _settle_text(self._made(_ABOUT), msgspec.json.encode(about))
            _sync_folder(self._folder)
            self._folder.rename(self._place)
            _sync_folder(self._org)

    def drop(self) -> None:
        self._file.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _made(self, name: str) -> IO[bytes]:
        return os.fdopen(os.open(self._folder / name, _WRITE, 0o600), "wb")


async def _write(part: _Part, chunks: AsyncIterator[bytes]) -> None:
    waiting = bytearray()
    async for chunk in chunks:
        waiting += chunk
        if len(waiting) >= WRITE_BYTES:
            await asyncio.to_thread(part.add, bytes(waiting))
            waiting.clear()
    await asyncio.to_thread(part.add, bytes(waiting))


@contextlib.contextmanager
def _folder(root: Path, key: Key) -> Iterator[int]:
    """A descriptor of the file's folder, reached without following a link."""
    with contextlib.ExitStack() as stack:
        folder = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        stack.callback(os.close, folder)
        for name in (key.org, key.place):
            folder = os.open(name, _FOLDER, dir_fd=folder)
            stack.callback(os.close, folder)
        yield folder


def _opened(name: str, folder: int) -> IO[bytes]:
    return os.fdopen(os.open(name, _READ, dir_fd=folder), "rb")


def _settle(file: IO[bytes]) -> None:
    with file:
        file.flush()
        os.fsync(file.fileno())


def _settle_text(file: IO[bytes], data: bytes) -> None:
    file.write(data)
    _settle(file)


def _sync_folder(path: Path) -> None:
    folder = os.open(path, _FOLDER)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


@contextlib.contextmanager
def _disk() -> Iterator[None]:
    """What is not there, or is a link, is missing; whatever else fails is the disk's fault."""
    try:
        yield
    except OSError as reason:
        if reason.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
            raise FileMissing from None
        raise _away(reason) from None


@contextlib.contextmanager
def _written() -> Iterator[None]:
    try:
        yield
    except OSError as reason:
        raise _away(reason) from None


def _away(reason: OSError) -> FilesAway:
    return FilesAway(f"files cannot be kept: {reason.strerror}")
