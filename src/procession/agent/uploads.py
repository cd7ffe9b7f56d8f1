"""Files that jobs need: fetched from the server by the agent, whose token no run has."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import time
from pathlib import Path
from weakref import WeakValueDictionary

from procession.agent.link import Pause
from procession.client import Client, Refused, Unreachable

KEPT_S = 86_400.0
PIECE_TIMEOUT_S = 60.0
HASHED_BYTES = 1_048_576


class UploadGone(Exception):
    """The server has no such upload, or not for this agent."""


class Uploads:
    """A folder of fetched files, each whole and checked by its hash; kept a day after use."""

    def __init__(self, client: Client, folder: Path) -> None:
        self._client = client
        self._folder = folder
        self._fetching: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def file(self, upload_id: str) -> Path:
        """The file of an upload; waits for a server that is away. Raises UploadGone, OSError."""
        async with self._fetching.setdefault(upload_id, asyncio.Lock()):
            path = self._folder / upload_id
            if not path.exists():
                await asyncio.to_thread(self._make_room)
                await self._fetch(upload_id, path)
            os.utime(path)
            return path

    async def _fetch(self, upload_id: str, path: Path) -> None:
        part = path.with_suffix(".part")
        pause = Pause()
        digest, got, total, wanted = hashlib.sha256(), 0, 1, ""
        with part.open("wb") as file:
            while got < total:
                try:
                    piece = await self._client.upload(upload_id, got, PIECE_TIMEOUT_S)
                except (Unreachable, Refused) as reason:
                    if isinstance(reason, Refused) and reason.status in (401, 403, 404):
                        raise UploadGone(f"upload {upload_id}: {reason}") from None
                    await pause.after(reason)
                    continue
                total, wanted = piece.bytes_total, piece.sha256
                if not piece.data and got < total:
                    raise UploadGone(f"upload {upload_id} ends too early")
                digest.update(piece.data)
                await asyncio.to_thread(file.write, piece.data)
                got += len(piece.data)
        if digest.hexdigest() != wanted:
            raise UploadGone(f"upload {upload_id} arrived damaged")
        part.chmod(0o400)
        part.rename(path)

    def _make_room(self) -> None:
        """Forget what has not been used for a day."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        # The age of a file, which outlives this program: hence the wall clock.
        old_s = time.time() - KEPT_S
        for path in self._folder.iterdir():
            with contextlib.suppress(FileNotFoundError):
                if path.stat().st_mtime < old_s:
                    path.unlink()
