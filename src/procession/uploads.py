"""Uploaded files: kept in a folder for some days, each tenant's apart from the others'."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import re
import secrets
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

import msgspec
from msgspec import Struct

from procession.core.errors import NotFound, Overloaded, Refused
from procession.engine import Engine
from procession.opening import SQLITE

BYTES_MAX = 200 * 1_024 * 1_024
TENANT_BYTES_MAX = 20 * BYTES_MAX
TENANT_FILES_MAX = 1_000
KEPT_MS = 7 * 86_400_000
PART_KEPT_MS = 3_600_000
PIECE_BYTES = 4 * 1_024 * 1_024
WRITE_BYTES = 1_048_576
AT_ONCE_MAX = 16
NAME_CHARS_MAX = 255
_ID = re.compile(r"[0-9a-f]{32}")
_UNSHOWN = re.compile(r"[\x00-\x1f\x7f/\\]")


class UploadsOff(Refused):
    """This server keeps no uploads: it needs the setting uploads_dir."""

    code = "uploads_off"


class QuotaReached(Refused):
    """Your organization's uploads take all the room they may; old ones go by themselves."""

    code = "quota_reached"


class Upload(Struct, frozen=True):
    """A whole uploaded file."""

    id: str
    name: str
    bytes: int
    sha256: str


class Uploads:
    """The uploads of all tenants. Raises UploadsOff where there is no folder for them."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._open = 0

    def begin(self, tenant_id: int, name: str) -> Receiving:
        """Start to receive a file. Raises UploadsOff, QuotaReached, Overloaded."""
        if self._open >= AT_ONCE_MAX:
            raise Overloaded("too many uploads at once; try again shortly")
        folder = self._of(tenant_id)
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            with _disk():
                sizes = [path.stat().st_size for path in folder.glob("*.data")]
                if len(sizes) >= TENANT_FILES_MAX or sum(sizes) >= TENANT_BYTES_MAX:
                    raise QuotaReached
                receiving = Receiving(folder, _plain(name), self._ended)
        except FileNotFoundError:
            raise Overloaded("the folder of uploads changes; try again") from None
        self._open += 1
        return receiving

    def find(self, tenant_id: int, upload_id: str) -> Upload:
        """Raises NotFound, UploadsOff."""
        return msgspec.json.decode(self._read(tenant_id, upload_id, ".json"), type=Upload)

    def piece(self, tenant_id: int, upload_id: str, offset: int) -> bytes:
        """PIECE_BYTES at most, from this byte on. Raises NotFound, UploadsOff."""
        return self._read(tenant_id, upload_id, ".data", offset)

    def prune(self, now_ms: int) -> int:
        """Remove files that are old, and what was never finished; how many."""
        removed = 0
        for path in self._folder.glob("*/*") if self._folder else ():
            kept_ms = PART_KEPT_MS if path.suffix == ".part" else KEPT_MS
            with contextlib.suppress(FileNotFoundError):
                if path.stat().st_mtime * 1_000 < now_ms - kept_ms:
                    path.unlink()
                    removed += 1
        return removed

    def _read(self, tenant_id: int, upload_id: str, suffix: str, offset: int = 0) -> bytes:
        if not _ID.fullmatch(upload_id):
            raise NotFound
        try:
            with (self._of(tenant_id) / (upload_id + suffix)).open("rb") as file:
                file.seek(offset)
                return file.read(PIECE_BYTES)
        except FileNotFoundError:
            raise NotFound from None

    def _of(self, tenant_id: int) -> Path:
        if self._folder is None:
            raise UploadsOff
        return self._folder / str(tenant_id)

    def _ended(self) -> None:
        self._open -= 1


class Receiving:
    """A file on its way in: `add` its bytes, then `finish`; `drop` it in any case."""

    def __init__(self, folder: Path, name: str, ended: Callable[[], None]) -> None:
        self._id = secrets.token_hex(16)
        self._folder = folder
        self._name = name
        self._ended = ended
        self._digest = hashlib.sha256()
        self._bytes = 0
        handle, path = tempfile.mkstemp(".part", dir=folder)
        self._part = Path(path)
        self._file: IO[bytes] = os.fdopen(handle, "wb")

    def add(self, data: bytes) -> int:
        """Write these bytes; how many there are by now. Raises Overloaded."""
        self._digest.update(data)
        with _disk():
            self._file.write(data)
        self._bytes += len(data)
        return self._bytes

    def finish(self) -> Upload:
        """The file is whole and on disk. Raises Overloaded."""
        made = Upload(self._id, self._name, self._bytes, self._digest.hexdigest())
        with _disk():
            self._file.flush()
            os.fsync(self._file.fileno())
            self._part.rename(self._folder / f"{self._id}.data")
            (self._folder / f"{self._id}.json").write_bytes(msgspec.json.encode(made))
        return made

    def drop(self) -> None:
        """Forget what was not finished."""
        self._ended()
        with contextlib.suppress(OSError):
            self._file.close()
        self._part.unlink(missing_ok=True)


class UploadsRetention:
    """Uploads go after some days; a loop's step."""

    every_ms = 600_000

    def __init__(self, uploads: Uploads) -> None:
        self._uploads = uploads

    async def step(self, now_ms: int) -> int:
        await asyncio.to_thread(self._uploads.prune, now_ms)
        return 0


def uploads_of(engine: Engine) -> Uploads:
    """Where the settings say, else beside the SQLite file; nowhere on PostgreSQL."""
    settings = engine.settings
    if settings.uploads_dir:
        return Uploads(Path(settings.uploads_dir))
    if settings.database.startswith(SQLITE) and ":memory:" not in settings.database:
        return Uploads(Path(settings.database.removeprefix(SQLITE) + ".uploads"))
    return Uploads(None)


def _plain(name: str) -> str:
    """A file name without path or control characters."""
    return _UNSHOWN.sub("_", name)[:NAME_CHARS_MAX] or "upload"


@contextlib.contextmanager
def _disk() -> Iterator[None]:
    try:
        yield
    except OSError as reason:
        raise Overloaded(f"uploads cannot be written: {reason.strerror}") from None
