"""What a run printed, bounded: its beginning and its end, with the middle left out."""

from __future__ import annotations

HEAD_BYTES_MAX = 16_384
TAIL_BYTES_MAX = 47_104
GAP = b"\n[... left out ...]\n"


class BoundedOutput:
    """Keeps the first and the last bytes of a stream of any length."""

    def __init__(self, head_max: int = HEAD_BYTES_MAX, tail_max: int = TAIL_BYTES_MAX) -> None:
        self._head_max = head_max
        self._tail_max = tail_max
        self._head = bytearray()
        self._tail = bytearray()
        self.truncated = False

    def add(self, data: bytes) -> None:
        room = self._head_max - len(self._head)
        self._head += data[:room]
        self._tail += data[room:]
        if len(self._tail) > self._tail_max:
            del self._tail[: len(self._tail) - self._tail_max]
            self.truncated = True

    def kept(self) -> bytes:
        """At most `head_max + tail_max` bytes and the mark of the gap."""
        return bytes(self._head + (GAP if self.truncated else b"") + self._tail)
