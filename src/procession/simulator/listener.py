"""Where a phone is reachable: its listening socket, its connections, and faults that touch them."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

from procession.simulator.connection import Connection
from procession.simulator.faults import Fault
from procession.simulator.phone import Phone

CONNECTIONS_MAX = 16
BACKLOG = 64
AGAIN_S = 0.1


class Listener:
    """The network side of one phone; lives on the event loop that started it."""

    def __init__(self, phone: Phone, host: str, port: int) -> None:
        self._phone, self._host, self._port = phone, host, port
        self._loop = asyncio.get_running_loop()
        self._socket: socket.socket | None = None
        self._accepting: set[asyncio.Task[Any]] = set()
        self._connections: set[Connection] = set()
        self._changed = asyncio.Event()
        self._follower: asyncio.Task[None] | None = None
        self._closed = False

    async def start(self) -> None:
        """Listen; the phone's address is known afterwards. Raises OSError for a taken port."""
        self._listen()
        self._phone.faults.watch(self._fault_changed)
        self._follower = self._loop.create_task(self._follow())

    async def stop(self) -> None:
        """Stop listening and cut all connections."""
        self._closed = True
        if self._follower is not None:
            self._follower.cancel()
            await asyncio.gather(self._follower, return_exceptions=True)
        self._leave()

    async def hang_over(self) -> None:
        """Returns when the phone does not hang."""
        while self._phone.faults.is_on(Fault.HANG):
            await self._until(self._changed)

    def _fault_changed(self, _fault: Fault | None) -> None:
        if not self._closed:
            self._loop.call_soon_threadsafe(self._wake)

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    async def _until(self, changed: asyncio.Event) -> None:
        """Waits until a fault was switched, or ended by itself."""
        try:
            async with asyncio.timeout(self._phone.faults.seconds_to_next_end()):
                await changed.wait()
        except TimeoutError:
            return

    async def _follow(self) -> None:
        """Brings sockets in line with the faults, each time one is switched or ends."""
        while True:
            try:
                self._apply()
            except OSError:
                # Somebody took the port while the phone was away; it is ours again when they go.
                await asyncio.sleep(AGAIN_S)
                continue
            await self._until(self._changed)

    def _apply(self) -> None:
        if not self._phone.is_reachable:
            self._leave()
            return
        if self._socket is None:
            self._listen()
        unauthorized = self._phone.faults.is_on(Fault.UNAUTHORIZED)
        for connection in list(self._connections):
            if not unauthorized:
                connection.authorize()
            elif connection.is_authorized:
                connection.abort()

    def _listen(self) -> None:
        self._socket = socket.create_server((self._host, self._port), backlog=BACKLOG)
        self._socket.setblocking(False)
        self._port = self._socket.getsockname()[1]
        self._phone.address = f"{self._host}:{self._port}"
        self._loop.add_reader(self._socket, self._accept, self._socket)

    def _accept(self, listening: socket.socket) -> None:
        # Not asyncio's Server, which loses a connection that is accepted as it is closed.
        try:
            accepted, _ = listening.accept()
        except OSError:
            # Too many open files, mostly: asked again at once, the loop would spin.
            self._loop.remove_reader(listening)
            self._loop.call_later(AGAIN_S, self._resume, listening)
            return
        accepted.setblocking(False)
        protocol = self._connect()
        making = self._loop.connect_accepted_socket(lambda: protocol, accepted)
        task = self._loop.create_task(making)
        self._accepting.add(task)
        task.add_done_callback(self._accepting.discard)

    def _resume(self, listening: socket.socket) -> None:
        if self._socket is listening:
            self._loop.add_reader(listening, self._accept, listening)

    def _leave(self) -> None:
        if self._socket is not None:
            self._loop.remove_reader(self._socket)
            self._socket.close()
            self._socket = None
        for connection in list(self._connections):
            connection.abort()

    def _connect(self) -> asyncio.Protocol:
        full = len(self._connections) >= CONNECTIONS_MAX
        if full or self._closed or not self._phone.is_reachable:
            return Refused()
        connection = Connection(self._phone, self.hang_over, self._connections.discard)
        self._connections.add(connection)
        return connection


class Refused(asyncio.Protocol):
    """A connection that is cut as soon as it is made."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        transport.abort()
