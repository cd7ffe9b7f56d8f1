"""A TCP proxy before a PostgreSQL's socket that loses connections at chosen messages."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Literal

CHUNK_BYTES = 65_536
Cut = Literal["before", "after", "swallow"]
"""Before it arrives; after its answer, unheard; swallowed, the server's side left open."""


class CuttingProxy:
    """`cut` is armed once: at the first chunk from a client that `wanted` says yes to."""

    def __init__(self, folder: Path) -> None:
        self._socket = str(folder / ".s.PGSQL.5432")
        self._armed: tuple[Callable[[bytes], bool], Cut] | None = None
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._swallowed: list[asyncio.StreamWriter] = []
        self.port = 0
        self.cuts = 0
        self.deaf = False
        """Whether what either side says goes nowhere."""

    def address(self, name: str) -> str:
        """The database of that name, through the proxy."""
        return f"postgresql://procession@127.0.0.1:{self.port}/{name}"

    def arm(self, wanted: Callable[[bytes], bool], cut: Cut) -> None:
        self._armed = (wanted, cut)

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[CuttingProxy]:
        await self.open()
        try:
            yield self
        finally:
            await self.shut()
            for writer in self._swallowed:
                writer.close()

    async def open(self) -> None:
        """Take connections, from the same port as before."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def shut(self) -> None:
        """Refuse connections and lose those there are."""
        if self._server is not None:
            self._server.close()
            for writer in tuple(self._writers):
                writer.transport.abort()
            await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        to_server: asyncio.StreamWriter | None = None
        self._writers.add(writer)
        try:
            with contextlib.suppress(OSError):
                from_server, to_server = await asyncio.open_unix_connection(self._socket)
                answering = asyncio.create_task(self._relay(from_server, writer))
                if await self._ask(reader, to_server, answering):
                    self._swallowed.append(to_server)
                    to_server = None
                answering.cancel()
                await asyncio.gather(answering, return_exceptions=True)
        finally:
            self._writers.discard(writer)
            writer.transport.abort()
            if to_server is not None:
                to_server.transport.abort()

    async def _ask(
        self,
        reader: asyncio.StreamReader,
        to_server: asyncio.StreamWriter,
        answering: asyncio.Task[None],
    ) -> bool:
        """Relay until the end, or a cut; whether the server's side is to stay open."""
        while said := await reader.read(CHUNK_BYTES):
            if self.deaf:
                continue
            cut = self._cut(said)
            if cut in ("before", "swallow"):
                return cut == "swallow"
            if cut == "after":
                answering.cancel()
                await asyncio.gather(answering, return_exceptions=True)
            to_server.write(said)
            if cut == "after":
                await self._heard_by(to_server)
                return False
        return False

    async def _heard_by(self, to_server: asyncio.StreamWriter) -> None:
        """Until the server has answered: it closes only then."""
        to_server.write(b"X\0\0\0\4")
        protocol = to_server.transport.get_protocol()
        assert isinstance(protocol, asyncio.StreamReaderProtocol)
        reader = protocol._stream_reader  # type: ignore[attr-defined]
        while await reader.read(CHUNK_BYTES):
            pass

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while said := await reader.read(CHUNK_BYTES):
                if not self.deaf:
                    writer.write(said)
        writer.transport.abort()

    def _cut(self, said: bytes) -> Cut | None:
        if self._armed is None or not self._armed[0](said):
            return None
        cut = self._armed[1]
        self._armed = None
        self.cuts += 1
        return cut
