"""One stream of an adb connection: what `adb shell` or `adb push` runs over."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from procession.simulator.faults import Faults
from procession.simulator.wire import CLSE, OKAY, WRTE, Message


class ConnectionCut(Exception):
    """The phone cut the connection in the middle of its answer."""


class Stream:
    """Bytes both ways, one unconfirmed message at a time as the protocol asks.

    `hang_over()` returns when the phone does not hang; `cut()` ends the whole connection.
    """

    def __init__(
        self,
        ids: tuple[int, int],
        payload_bytes_max: int,
        send: Callable[[Message], None],
        *,
        faults: Faults,
        hang_over: Callable[[], Awaitable[None]],
        cut: Callable[[], None],
    ) -> None:
        self.local_id, self.remote_id = ids
        self._payload_bytes_max = payload_bytes_max
        self._send = send
        self._faults, self._hang_over, self._cut = faults, hang_over, cut
        self._confirmed: asyncio.Future[None] | None = None
        self._received: asyncio.Queue[bytes] = asyncio.Queue()

    def accept(self) -> None:
        """Tell the other side that the service it asked for is there."""
        self._send(Message(OKAY, self.local_id, self.remote_id))

    async def write(self, data: bytes, half: Callable[[], bytes] | None = None) -> None:
        """Send all of `data`.

        When the crash fault strikes, only `half()` or the first half is sent, the connection is
        cut, and ConnectionCut raised.
        """
        await self._hang_over()
        crashing = self._faults.take_crash()
        if crashing:
            data = data[: len(data) // 2] if half is None else half()
        for start in range(0, len(data), self._payload_bytes_max):
            await self._write_one(data[start : start + self._payload_bytes_max])
        if crashing:
            self._cut()
            raise ConnectionCut

    async def _write_one(self, payload: bytes) -> None:
        await self.written()
        self._confirmed = asyncio.get_running_loop().create_future()
        self._send(Message(WRTE, self.local_id, self.remote_id, payload))

    async def written(self) -> None:
        """Wait until the other side has taken what was sent last."""
        if self._confirmed is not None:
            await self._confirmed

    def confirm(self) -> None:
        """The other side took the last message."""
        if self._confirmed is not None and not self._confirmed.done():
            self._confirmed.set_result(None)

    def receive(self, payload: bytes) -> None:
        """The other side sent something; it sends no more until it was read."""
        self._received.put_nowait(payload)

    async def read(self) -> bytes:
        """The next piece from the other side."""
        payload = await self._received.get()
        await self._hang_over()
        self._send(Message(OKAY, self.local_id, self.remote_id))
        return payload

    def close(self) -> None:
        self._send(Message(CLSE, self.local_id, self.remote_id))
