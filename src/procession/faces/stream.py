"""Server-sent events from a process's log: whole states, each encoded once for all who watch.

A mailbox is one list and one future; all that waits in it goes out as one chunk. A reader slower
than the log gets the newest state only. Nothing here stays when the last watcher has gone.
"""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Awaitable, Callable
from typing import NamedTuple, Protocol

import structlog
from msgspec.structs import replace

from procession.core.process import Process
from procession.core.states import FINAL
from procession.engine import Engine
from procession.faces.endpoint import Answer, Write
from procession.faces.open_streams import PING_S, OpenStreams
from procession.store.connection import Topic

WINDOW_S = 25.0
RETRY_MS = 1_000
FRAMES_WAITING_MAX = 64
FRAMES_BYTES_MAX = 262_144
"""What may wait for one reader; beyond either limit only the newest state does."""
BACKLOG_MAX = 200
"""Events read at once; a client that is further behind continues with the newest state."""
LARGE_ITEMS = 50
LARGE_PAUSE_S = 0.5
"""A process of many items is shown at most this often: its states are large and its events many."""

HEADERS = (
    (b"cache-control", b"no-store, no-transform"),
    (b"x-accel-buffering", b"no"),
)
CONTENT_TYPE = b"text/event-stream"
_RETRY = f"retry: {RETRY_MS}\n\n".encode()
PING = b": ping\n\n"

log = structlog.get_logger(__name__)

Encode = Callable[[Process], Awaitable[bytes]]
"""A process as the face's JSON, without line breaks."""
Read = Callable[[], Awaitable[Process]]


class Frame(NamedTuple):
    """One state of a process, ready to be sent; version 0 carries no state."""

    version: int
    chunk: bytes
    last: bool = False


class Left(Protocol):
    """What a mailbox belongs to."""

    def leave(self, mailbox: Mailbox) -> None: ...


class Mailbox:
    """What waits for one connection. `run` writes it out; `close` ends it, at any time."""

    __slots__ = (
        *("_bytes", "_channel", "_frames", "_future", "_on_close", "_seen", "_timer"),
        "closed",
    )

    def __init__(self, channel: Left, window_s: float | None = None) -> None:
        self._channel = channel
        self._frames: list[Frame] = []
        self._bytes = 0
        self._future: asyncio.Future[None] | None = None
        self._seen: int | None = None
        self.closed = False
        self._on_close: list[Callable[[], None]] = []
        self._timer = asyncio.get_running_loop().call_later(window_s or WINDOW_S, self.close)

    def on_close(self, closed: Callable[[], None]) -> None:
        """Call this once the stream has ended, whoever ended it."""
        self._on_close.append(closed)

    def begin(self, frames: list[Frame]) -> None:
        """The first frames; what was put before and is not newer is dropped."""
        held, self._frames = self._frames, frames
        self._seen = frames[-1].version
        for frame in held:
            self.put(frame)

    def put(self, frame: Frame) -> None:
        if self.closed or (self._frames and self._frames[-1].last):
            return
        if frame.version and self._seen is not None:
            if frame.version <= self._seen:
                return
            self._seen = frame.version
        if self.is_full:
            self._frames = []
            self._bytes = 0
        self._frames.append(frame)
        self._bytes += len(frame.chunk)
        self._wake()

    def ping(self) -> None:
        if not self._frames:
            self.put(Frame(0, PING))

    async def run(self, write: Write) -> None:
        """Write frames until the last one, the window's end or `close`."""
        try:
            await write(_RETRY)
            while True:
                if not self._frames and not self.closed:
                    self._future = asyncio.get_running_loop().create_future()
                    await self._future
                frames, self._frames, self._bytes = self._frames, [], 0
                if frames:
                    await write(b"".join(frame.chunk for frame in frames))
                if self.closed or frames[-1].last:
                    return
        finally:
            self.close()

    def close(self) -> None:
        if self.closed:
            return
        self.closed = True
        self._timer.cancel()
        self._channel.leave(self)
        for closed in self._on_close:
            closed()
        self._wake()

    @property
    def is_full(self) -> bool:
        """Its reader is too slow: what is put now replaces what waits."""
        return len(self._frames) >= FRAMES_WAITING_MAX or self._bytes > FRAMES_BYTES_MAX

    def _wake(self) -> None:
        if self._future is not None and not self._future.done():
            self._future.set_result(None)


class Channel:
    """The log of one process, read once for all its mailboxes."""

    def __init__(self, engine: Engine, encode: Encode, process_id: str, gone: Callable[[], None]):
        self._engine = engine
        self._encode = encode
        self._gone = gone
        self._topics: tuple[Topic, ...] = (("process", process_id),)
        self._process: Process | None = None
        self._seen = 0
        self._woken = False
        self._reading: asyncio.Task[None] | None = None
        self.mailboxes: set[Mailbox] = set()
        engine.wakeup.listen(self._topics, self.wake)

    def join(self) -> Mailbox:
        mailbox = Mailbox(self)
        self.mailboxes.add(mailbox)
        return mailbox

    def leave(self, mailbox: Mailbox) -> None:
        self.mailboxes.discard(mailbox)
        if not self.mailboxes:
            self._engine.wakeup.unlisten(self._topics, self.wake)
            if self._reading is not None:
                self._reading.cancel()
            self._gone()

    async def start(self, mailbox: Mailbox, process: Process, after: int | None) -> None:
        """Give the mailbox its first frames: what it missed since `after`, or the state now."""
        if self._process is None:
            self._process, self._seen = process, process.version
        missed: list[Frame] = []
        if after is not None and 0 < process.version - after <= BACKLOG_MAX and not large(process):
            missed = await self._frames(process, after, process.version)
        if not missed:
            missed = [await self.frame(process)]
        mailbox.begin([frame._replace(last=False) for frame in missed[:-1]] + missed[-1:])
        if self._woken or process.version > self._seen:
            self.wake(())

    def wake(self, _: Topic) -> None:
        self._woken = True
        if self._reading is None and self._process is not None and self.mailboxes:
            self._reading = asyncio.get_running_loop().create_task(self._read())

    async def _read(self) -> None:
        try:
            while self._woken and self.mailboxes:
                self._woken = False
                await self._publish()
        except Exception:
            process_id = self._topics[0][1]
            log.error("stream failed", process_id=process_id, trace=traceback.format_exc())
            for mailbox in tuple(self.mailboxes):
                mailbox.close()
        finally:
            self._reading = None

    async def _publish(self) -> None:
        assert self._process is not None
        process = self._process
        wide = large(process)
        frames = await self._frames(process, self._seen, None, newest_only=wide)
        for frame in frames:
            self._seen = frame.version
            for mailbox in tuple(self.mailboxes):
                mailbox.put(frame)
        if len(frames) == BACKLOG_MAX:
            self._woken = True
        if wide and frames:
            await asyncio.sleep(LARGE_PAUSE_S)

    async def _frames(
        self, process: Process, after: int, until: int | None, *, newest_only: bool = False
    ) -> list[Frame]:
        store = self._engine.store
        if newest_only:
            now = await store.process(process.process_id)
            return [await self.frame(now)] if now is not None and now.version > after else []
        found = await store.standings(process.process_id, after=after, limit=BACKLOG_MAX)
        return [
            await self.frame(replace(process, version=row.seq, standing=row.standing))
            for row in found
            if until is None or row.seq <= until
        ]

    async def frame(self, process: Process) -> Frame:
        data = await self._encode(process)
        chunk = b"id: %d\ndata: %b\n\n" % (process.version, data)
        last = process.state in FINAL
        if last:
            chunk += b"event: done\nid: %d\ndata: %b\n\n" % (process.version, data)
        return Frame(process.version, chunk, last)


class Streams:
    """All open streams of one face."""

    def __init__(self, engine: Engine, encode: Encode) -> None:
        def channel(process_id: str, gone: Callable[[], None]) -> Channel:
            return Channel(engine, encode, process_id, gone)

        self._open = OpenStreams(channel)

    @property
    def count(self) -> int:
        """How many streams are open."""
        return len(self._open)

    @property
    def channels(self) -> list[Channel]:
        """One for each process that is watched."""
        return self._open.watched

    async def open(self, process_id: str, read: Read, after: int | None) -> Answer:
        """An answer that streams the process which `read` finds; raises what `read` raises.

        `after` is the last version the client has seen. Raises Overloaded.
        """
        channel = self._open.of(process_id)
        mailbox = channel.join()
        try:
            await channel.start(mailbox, await read(), after)
        except BaseException:
            mailbox.close()
            raise
        return Answer(200, mailbox, HEADERS, CONTENT_TYPE)

    def close_all(self) -> None:
        """End every stream; none is opened any more."""
        self._open.close_all()


def last_event_id(text: str) -> int | None:
    """The version in a `Last-Event-ID` header; None where there is none to be read."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 18 else None


def large(process: Process) -> bool:
    return process.items_total > LARGE_ITEMS


__all__ = ["PING", "PING_S", "Frame", "Mailbox", "Streams", "last_event_id"]
