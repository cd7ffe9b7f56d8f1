"""The files of a phone, in memory and bounded."""

from __future__ import annotations

import posixpath
from dataclasses import dataclass
from hashlib import sha256

FILES_BYTES_MAX = 64 * 1024 * 1024
FILES_MAX = 10_000
PATH_BYTES_MAX = 1024
FILE_MODE = 0o100644
FOLDER_MODE = 0o040755
FOLDERS_AT_BOOT = ("/", "/data", "/data/local", "/data/local/tmp", "/sdcard", "/sdcard/DCIM",
                   "/sdcard/Download", "/sdcard/Movies", "/sdcard/Pictures")  # fmt: skip
SAME_FOLDERS = (("/storage/emulated/0", "/sdcard"), ("/mnt/sdcard", "/sdcard"))


class FileRefused(Exception):
    """The phone refused the file operation; the message is what a real phone says."""


@dataclass(frozen=True)
class File:
    """A file, or a folder when `data` is None. `mtime` in seconds since 1970."""

    data: bytes | None
    mode: int
    mtime: int

    @property
    def size(self) -> int:
        return 4096 if self.data is None else len(self.data)

    @property
    def sha256(self) -> str:
        return sha256(self.data or b"").hexdigest()


class Files:
    """A small file system: absolute paths, folders, plain files; no links, no owners."""

    def __init__(self, made_at: int = 0) -> None:
        self._entries = {path: File(None, FOLDER_MODE, made_at) for path in FOLDERS_AT_BOOT}
        self.bytes_used = 0

    def find(self, path: str) -> File | None:
        return self._entries.get(normal(path))

    def read(self, path: str) -> bytes:
        """The content. Raises FileRefused when it is missing or a folder."""
        file = self.find(path)
        if file is None:
            raise FileRefused("No such file or directory")
        if file.data is None:
            raise FileRefused("Is a directory")
        return file.data

    def write(self, path: str, data: bytes, mode: int, mtime: int, parents: bool = False) -> None:
        """Create or replace a file. Raises FileRefused as a real phone would."""
        path = normal(path)
        old = self._entries.get(path)
        if old is not None and old.data is None:
            raise FileRefused("Is a directory")
        grown = len(data) - (old.size if old else 0)
        if self.bytes_used + grown > FILES_BYTES_MAX or (not old and self._full()):
            raise FileRefused("No space left on device")
        if parents:
            self.make_folder(posixpath.dirname(path), mtime, parents=True)
        self._require_parent(path)
        self._entries[path] = File(data, FILE_MODE & ~0o777 | mode & 0o777, mtime)
        self.bytes_used += grown

    def make_folder(self, path: str, mtime: int, parents: bool = False) -> None:
        """Create a folder; with `parents`, also those above it and without complaint if there."""
        path = normal(path)
        there = self._entries.get(path)
        if there is not None:
            if parents and there.data is None:
                return
            raise FileRefused("File exists")
        if parents:
            self.make_folder(posixpath.dirname(path), mtime, parents=True)
        self._require_parent(path)
        if self._full() or len(path.encode()) > PATH_BYTES_MAX:
            raise FileRefused("No space left on device")
        self._entries[path] = File(None, FOLDER_MODE, mtime)

    def remove(self, path: str, recursive: bool = False) -> None:
        """Delete a file or, when `recursive`, a folder with all it holds."""
        path = normal(path)
        file = self._entries.get(path)
        if file is None:
            raise FileRefused("No such file or directory")
        if file.data is None and not recursive:
            raise FileRefused("Is a directory")
        if path == "/":
            raise FileRefused("Read-only file system")
        for inside in [name for name in self._entries if name.startswith(path + "/")] + [path]:
            gone = self._entries.pop(inside)
            self.bytes_used -= gone.size if gone.data is not None else 0

    def names(self, path: str) -> list[str]:
        """What a folder holds, sorted; empty for a file or nothing."""
        folder = normal(path).rstrip("/") + "/"
        inside = (name[len(folder) :] for name in self._entries if name.startswith(folder))
        return sorted(name for name in inside if name and "/" not in name)

    def _full(self) -> bool:
        return len(self._entries) >= FILES_MAX

    def _require_parent(self, path: str) -> None:
        parent = self._entries.get(posixpath.dirname(path))
        if parent is None:
            raise FileRefused("No such file or directory")
        if parent.data is not None:
            raise FileRefused("Not a directory")
        if len(path.encode()) > PATH_BYTES_MAX:
            raise FileRefused("File name too long")


def normal(path: str) -> str:
    """The one spelling under which a path is kept."""
    path = posixpath.normpath("/" + path).replace("//", "/")
    for other, kept in SAME_FOLDERS:
        if path == other or path.startswith(other + "/"):
            return kept + path[len(other) :]
    return path
