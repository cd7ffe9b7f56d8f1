"""Uploads that were broken off leave parts behind; time takes them away."""

from __future__ import annotations

from procession.files.store import FileStore


class FilesTidying:
    """A loop: see `loops.Loop`."""

    every_ms = 600_000

    def __init__(self, files: FileStore) -> None:
        self._files = files

    async def step(self, now_ms: int) -> int:
        await self._files.tidy(now_ms)
        return 0
