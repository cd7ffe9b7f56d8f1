"""One stream for all that changes in a workspace: what a tray of jobs follows."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Awaitable, Callable

import structlog

from procession.core.process import Process
from procession.engine import Engine
from procession.faces.endpoint import Answer
from procession.faces.open_streams import OpenStreams
from procession.faces.stream import CONTENT_TYPE, HEADERS, Frame, Mailbox
from procession.store.connection import Topic
from procession.store.store import LATEST, Filter

SNAPSHOT = 50
"""How many of the newest processes a stream begins with."""
ROUND_S = 0.05
"""Changes are gathered for so long before they are read."""
READ_MAX = 200
KNOWN_MAX = 5_000

Encode = Callable[[Process], Awaitable[bytes]]

log = structlog.get_logger(__name__)


class Tray:
    """The streams of one workspace; each change is read and encoded once for all of them."""

    def __init__(
        self,
        engine: Engine,
        encode: Encode,
        tenant_id: int,
        namespace: str,
        gone: Callable[[], None],
    ) -> None:
        self._engine = engine
        self._encode = encode
        self._tenant_id = tenant_id
        self._namespace = namespace
        self._gone = gone
        self._versions: dict[str, int] = {}
        self._changed: set[str] = set()
        self._anything = False
        self._reading: asyncio.Task[None] | None = None
        self.mailboxes: set[Mailbox] = set()
        engine.wakeup.listen_to_kind("process", self.wake)

    def wake(self, topic: Topic) -> None:
        """A process has changed; or something, and nobody knows what."""
        if len(topic) > 1:
            self._changed.add(topic[1])
        else:
            self._anything = True
        if self._reading is None and self.mailboxes:
            self._reading = asyncio.get_running_loop().create_task(self._read())

    async def join(self) -> Mailbox:
        """A stream that begins with the newest processes."""
        mailbox = Mailbox(self)
        self.mailboxes.add(mailbox)
        try:
            for process in reversed(await self._newest()):
                mailbox.put(await self._frame(process))
                self._seen(process)
        except BaseException:
            mailbox.close()
            raise
        return mailbox

    def leave(self, mailbox: Mailbox) -> None:
        self.mailboxes.discard(mailbox)
        if not self.mailboxes:
            self._engine.wakeup.unlisten_to_kind("process", self.wake)
            if self._reading is not None:
                self._reading.cancel()
            self._gone()

    async def _read(self) -> None:
        try:
            while (self._changed or self._anything) and self.mailboxes:
                await asyncio.sleep(ROUND_S)
                for process in await self._found():
                    await self._publish(process)
        except Exception:
            log.error("tray failed", trace=traceback.format_exc())
            for mailbox in tuple(self.mailboxes):
                mailbox.close()
        finally:
            self._reading = None

    async def _found(self) -> list[Process]:
        """What has changed since it was last shown."""
        anything, self._anything = self._anything, False
        ids = sorted(self._changed)[:READ_MAX]
        self._changed.difference_update(ids)
        found = await self._engine.store.processes(ids) if ids else []
        if anything:
            found += await self._newest()
            self._changed.update(self._versions)
        return [one for one in found if one.version > self._versions.get(one.process_id, 0)]

    async def _newest(self) -> list[Process]:
        wanted = Filter(namespace=self._namespace)
        store = self._engine.store
        page = await store.page_processes(self._tenant_id, wanted, below=LATEST, limit=SNAPSHOT)
        return page.processes

    async def _publish(self, process: Process) -> None:
        if (process.tenant_id, process.namespace) != (self._tenant_id, self._namespace):
            return
        self._seen(process)
        frame = await self._frame(process)
        for mailbox in tuple(self.mailboxes):
            if mailbox.is_full:
                # Its reader would miss some; connected again it begins with what is now.
                mailbox.close()
            else:
                mailbox.put(frame)

    def _seen(self, process: Process) -> None:
        self._versions.pop(process.process_id, None)
        if not process.final:
            self._versions[process.process_id] = process.version
            if len(self._versions) > KNOWN_MAX:
                del self._versions[next(iter(self._versions))]

    async def _frame(self, process: Process) -> Frame:
        return Frame(0, b"data: %b\n\n" % await self._encode(process))


class Trays:
    """All open streams of workspaces."""

    def __init__(self, engine: Engine, encode: Encode) -> None:
        def tray(key: tuple[int, str], gone: Callable[[], None]) -> Tray:
            return Tray(engine, encode, *key, gone)

        self._open = OpenStreams(tray)

    @property
    def count(self) -> int:
        """How many streams are open."""
        return len(self._open)

    async def open(self, tenant_id: int, namespace: str) -> Answer:
        """An answer that streams a workspace. Raises Overloaded."""
        mailbox = await self._open.of((tenant_id, namespace)).join()
        return Answer(200, mailbox, HEADERS, CONTENT_TYPE)

    def close_all(self) -> None:
        """End every stream; none is opened any more."""
        self._open.close_all()
