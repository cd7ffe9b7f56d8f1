"""One adb connection to one phone: greeting, authorization, streams."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

from procession.simulator import services
from procession.simulator.faults import Fault
from procession.simulator.phone import Phone
from procession.simulator.stream import ConnectionCut, Stream
from procession.simulator.wire import (
    AUTH,
    AUTH_TOKEN,
    CLSE,
    CNXN,
    OKAY,
    OPEN,
    PAYLOAD_BYTES_MAX,
    VERSION_WITHOUT_CHECKSUM,
    WRTE,
    Decoder,
    MalformedMessage,
    Message,
    encode,
)

STREAMS_MAX = 256
SIGNATURE = 2
TOKEN = bytes(20)


class Connection(asyncio.Protocol):
    """The phone's side of a connection. `left(connection)` is called when it has ended."""

    def __init__(
        self,
        phone: Phone,
        hang_over: Callable[[], Awaitable[None]],
        left: Callable[[Connection], None],
    ) -> None:
        self._phone, self._hang_over, self._left = phone, hang_over, left
        self._decoder = Decoder()
        self._transport: asyncio.Transport | None = None
        self._streams: dict[int, tuple[Stream, asyncio.Task[None]]] = {}
        self._last_id = 0
        self._peer: Message | None = None
        self._aborted = False
        self.is_authorized = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        if self._aborted:
            transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        for _, task in list(self._streams.values()):
            task.cancel()
        self._left(self)

    def data_received(self, data: bytes) -> None:
        try:
            for message in self._decoder.feed(data):
                self._handle(message)
        except MalformedMessage:
            self.abort()

    def abort(self) -> None:
        """End at once, as when the cable is pulled; also one that is just being accepted."""
        self._aborted = True
        if self._transport is not None:
            self._transport.abort()

    def cut(self) -> None:
        """End after what was written has left."""
        if self._transport is not None:
            self._transport.close()

    def authorize(self) -> None:
        """Greet a peer that was kept waiting for authorization."""
        if self._peer is None or self.is_authorized:
            return
        self.is_authorized = True
        version = min(self._peer.arg0, VERSION_WITHOUT_CHECKSUM)
        self._send(Message(CNXN, version, PAYLOAD_BYTES_MAX, self._phone.banner()))
        self._decoder.checksum = version < VERSION_WITHOUT_CHECKSUM

    def _handle(self, message: Message) -> None:
        if message.command == CNXN:
            self._greet(message)
        elif message.command == AUTH and message.arg0 == SIGNATURE and not self.is_authorized:
            self._send(Message(AUTH, AUTH_TOKEN, 0, TOKEN))
        elif message.command == OPEN and self.is_authorized:
            self._open(message)
        elif message.arg1 in self._streams:
            self._pass_on(message, *self._streams[message.arg1])

    def _greet(self, message: Message) -> None:
        self._peer = message
        if self._phone.faults.is_on(Fault.UNAUTHORIZED):
            self._send(Message(AUTH, AUTH_TOKEN, 0, TOKEN))
        else:
            self.authorize()

    def _open(self, message: Message) -> None:
        name = message.payload.rstrip(b"\0").decode(errors="replace")
        service = services.find(self._phone, name)
        if service is None or len(self._streams) >= STREAMS_MAX:
            self._send(Message(CLSE, 0, message.arg0))
            return
        self._last_id += 1
        assert self._peer is not None
        payload_bytes_max = min(self._peer.arg1, PAYLOAD_BYTES_MAX)
        stream = Stream(
            (self._last_id, message.arg0),
            payload_bytes_max,
            self._send,
            faults=self._phone.faults,
            hang_over=self._hang_over,
            cut=self.cut,
        )
        task = asyncio.get_running_loop().create_task(self._serve(stream, service))
        self._streams[stream.local_id] = (stream, task)

    async def _serve(self, stream: Stream, service: services.Service) -> None:
        try:
            with contextlib.suppress(ConnectionCut):
                await self._hang_over()
                stream.accept()
                await service(stream)
                await stream.written()
        finally:
            self._streams.pop(stream.local_id, None)
            stream.close()

    def _pass_on(self, message: Message, stream: Stream, task: asyncio.Task[None]) -> None:
        if message.command == OKAY:
            stream.confirm()
        elif message.command == WRTE:
            stream.receive(message.payload)
        elif message.command == CLSE:
            task.cancel()

    def _send(self, message: Message) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(encode(message, self._decoder.checksum))
