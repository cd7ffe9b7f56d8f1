"""One stream for all that happens in an organization: tasks begin and end, processes move on.

What changes is gathered for a moment, read once for all organizations that anybody watches, and
encoded once for all who watch one. Nothing is told of the time before a stream was opened; a
reader that is too slow, or comes back, begins again with `connected`.
"""

from __future__ import annotations

import asyncio
import traceback
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence

import structlog
from msgspec import UNSET, Struct, UnsetType
from msgspec.json import encode

from procession.core.errors import Forbidden, Overloaded, Refused, Unauthenticated
from procession.core.process import Process
from procession.engine import Engine
from procession.faces.access import EITHER
from procession.faces.endpoint import Admit, Answer, Endpoint, Request
from procession.faces.steps.declared import ALWAYS
from procession.faces.steps.task_answers import ListedTask
from procession.faces.steps.task_views import listed, shown_processes
from procession.faces.steps.words import STATUS, org_id_of
from procession.faces.stream import CONTENT_TYPE, HEADERS, PING_S, Frame, Mailbox
from procession.store.connection import Topic
from procession.store.store import LATEST, Filter
from procession.store.tracking_lists import HIDDEN_TYPE
from procession.tasks import PENDING, TaskRead
from procession.tracked import current_step
from procession.tracking import definition_of, shown_id

WINDOW_S = 3_600.0
"""After so long a stream ends, and its client opens another."""
CLOSE_S = 30.0
ROUND_S = 0.05
"""Changes are gathered for so long before they are read."""
READ_MAX = 200
NEWEST = 50
"""So many are looked at again where a wake-up may have been lost."""
KNOWN_MAX = 5_000
TASKS_MAX = 1_000
LATELY_MS = 60_000
STREAMS_MAX = 5_000
TASKS_SCOPE = "tasks:read"
PROCESSES_SCOPE = "processes:read"
SCOPE = f"{TASKS_SCOPE}{EITHER}{PROCESSES_SCOPE}"
EVENTS = {"completed": "task_completed", "cancelled": "task_cancelled", "failed": "task_failed"}

Check = Callable[[], Awaitable[object]]

log = structlog.get_logger(__name__)


class Moved(Struct, frozen=True):
    """How a process stands."""

    process_id: str
    status: str
    current_step: str | UnsetType = UNSET


class Told(Struct, frozen=True, kw_only=True):
    """One event: `connected`, or what happened to a task or to a process."""

    type: str
    org_id: str | UnsetType = UNSET
    task: ListedTask | UnsetType = UNSET
    process: Moved | UnsetType = UNSET


class Org:
    """The streams of one organization, and what they were told."""

    def __init__(self, tenant_id: int, opened_ms: int, gone: Callable[[], None]) -> None:
        self.tenant_id = tenant_id
        self.opened_ms = opened_ms
        self.mailboxes: dict[Mailbox, tuple[frozenset[str], Check]] = {}
        self._gone = gone
        self._versions: OrderedDict[str, tuple[int, bool]] = OrderedDict()
        self._told: OrderedDict[tuple[str, str], None] = OrderedDict()

    def join(self, scopes: frozenset[str], check: Check) -> Mailbox:
        mailbox = Mailbox(self, WINDOW_S)
        self.mailboxes[mailbox] = (scopes, check)
        mailbox.put(frame_of(Told(type="connected", org_id=org_id_of(self.tenant_id))))
        return mailbox

    def leave(self, mailbox: Mailbox) -> None:
        self.mailboxes.pop(mailbox, None)
        if not self.mailboxes:
            self._gone()

    def open_processes(self) -> list[str]:
        """Those that were told of and had not ended."""
        return [process_id for process_id, (_, ended) in self._versions.items() if not ended]

    def tell_processes(self, processes: Sequence[Process]) -> None:
        for process in processes:
            if not self._is_news(process):
                continue
            step = current_step(process, definition_of(process))
            moved = Moved(shown_id(process), STATUS[process.state], UNSET if step is None else step)
            self._put(PROCESSES_SCOPE, frame_of(Told(type="process_update", process=moved)))

    def tell_task(self, task: TaskRead, shown: ListedTask) -> None:
        """That it began, and that it ended, each once and if it was since a stream was opened."""
        if task.created_ms >= self.opened_ms:
            self._tell_once(task.task_id, "task_created", shown)
        if task.state != PENDING and (task.finished_ms or 0) >= self.opened_ms:
            self._tell_once(task.task_id, EVENTS[task.state], shown)

    def _tell_once(self, task_id: str, name: str, shown: ListedTask) -> None:
        key = (task_id, name)
        if key not in self._told:
            self._told[key] = None
            if len(self._told) > KNOWN_MAX:
                self._told.popitem(last=False)
            self._put(TASKS_SCOPE, frame_of(Told(type=name, task=shown)))

    def _is_news(self, process: Process) -> bool:
        known = self._versions.pop(process.process_id, None)
        self._versions[process.process_id] = (process.version, process.final)
        if len(self._versions) > KNOWN_MAX:
            self._versions.popitem(last=False)
        if process.process_type == HIDDEN_TYPE:
            return False
        if known is None:
            return process.standing.updated_ms >= self.opened_ms
        return process.version > known[0]

    def _put(self, scope: str, frame: Frame) -> None:
        for mailbox, (scopes, _) in tuple(self.mailboxes.items()):
            if scope not in scopes:
                continue
            if mailbox.is_full:
                mailbox.close()
            else:
                mailbox.put(frame)


class OrgStreams:
    """All open streams of organizations."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._orgs: dict[int, Org] = {}
        self._changed: set[str] = set()
        self._anything = False
        self._reading: asyncio.Task[None] | None = None
        self._checking: asyncio.Task[None] | None = None
        self._pinging: asyncio.TimerHandle | None = None
        self._closing = False

    @property
    def count(self) -> int:
        """How many streams are open."""
        return sum(len(org.mailboxes) for org in self._orgs.values())

    def open(self, tenant_id: int, scopes: frozenset[str], check: Check) -> Answer:
        """An answer that streams an organization to who has these scopes.

        `check` raises Unauthenticated or Forbidden once its caller may read no more. Raises
        Overloaded.
        """
        if self._closing or self.count >= STREAMS_MAX:
            raise Overloaded("the server is stopping" if self._closing else "")
        if not self._orgs:
            self._engine.wakeup.listen_to_kind("process", self.wake)
            self._ping_later()
        org = self._orgs.get(tenant_id)
        if org is None:
            org = Org(tenant_id, self._engine.now_ms(), lambda: self._forget(tenant_id))
            self._orgs[tenant_id] = org
        return Answer(200, org.join(scopes, check), HEADERS, CONTENT_TYPE, WINDOW_S + CLOSE_S)

    def close_all(self) -> None:
        """End every stream; none is opened any more."""
        self._closing = True
        for org in tuple(self._orgs.values()):
            for mailbox in tuple(org.mailboxes):
                mailbox.close()

    def wake(self, topic: Topic) -> None:
        """A process has changed; or something, and nobody knows what."""
        if len(topic) > 1:
            self._changed.add(topic[1])
        else:
            self._anything = True
        if self._reading is None and self._orgs:
            self._reading = asyncio.get_running_loop().create_task(self._read())

    async def _read(self) -> None:
        try:
            while (self._changed or self._anything) and self._orgs:
                await asyncio.sleep(ROUND_S)
                await self._look_for_more()
                while self._changed:
                    ids = sorted(self._changed)[:READ_MAX]
                    self._changed.difference_update(ids)
                    await self._tell(ids)
        except Exception:
            log.error("organization streams failed", trace=traceback.format_exc())
            for org in tuple(self._orgs.values()):
                for mailbox in tuple(org.mailboxes):
                    mailbox.close()
        finally:
            self._reading = None

    async def _look_for_more(self) -> None:
        if not self._anything:
            return
        self._anything = False
        for org in tuple(self._orgs.values()):
            self._changed.update(org.open_processes())
            page = await self._engine.store.page_processes(
                org.tenant_id, Filter(), below=LATEST, limit=NEWEST
            )
            self._changed.update(process.process_id for process in page.processes)

    async def _tell(self, ids: list[str]) -> None:
        processes = [
            process
            for process in await self._engine.store.processes(ids)
            if process.tenant_id in self._orgs
        ]
        if not processes:
            return
        await self._tell_tasks([process.process_id for process in processes])
        for tenant_id, org in tuple(self._orgs.items()):
            org.tell_processes([one for one in processes if one.tenant_id == tenant_id])

    async def _tell_tasks(self, ids: list[str]) -> None:
        rows = await self._engine.store.connection.fetch(
            "tasks_changed",
            process_ids=ids,
            since_ms=self._engine.now_ms() - LATELY_MS,
            limit=TASKS_MAX,
        )
        tasks = [TaskRead(*row) for row in rows]
        shown = await shown_processes(self._engine, tasks)
        for task in tasks:
            org = self._orgs.get(task.tenant_id)
            if org is not None:
                org.tell_task(task, listed(task, shown))

    def _forget(self, tenant_id: int) -> None:
        self._orgs.pop(tenant_id, None)
        if self._orgs:
            return
        self._engine.wakeup.unlisten_to_kind("process", self.wake)
        self._changed.clear()
        for running in (self._reading, self._checking, self._pinging):
            if running is not None:
                running.cancel()
        self._pinging = None

    def _ping_later(self) -> None:
        self._pinging = asyncio.get_running_loop().call_later(PING_S, self._ping)

    def _ping(self) -> None:
        """Also look again: a wake-up may have been lost, a token revoked."""
        self.wake(("process",))
        for org in tuple(self._orgs.values()):
            for mailbox in tuple(org.mailboxes):
                mailbox.ping()
        if self._checking is None:
            self._checking = asyncio.get_running_loop().create_task(self._check())
        self._ping_later()

    async def _check(self) -> None:
        """End the streams of those who may read no more."""
        try:
            for org in tuple(self._orgs.values()):
                for mailbox, (_, check) in tuple(org.mailboxes.items()):
                    try:
                        await check()
                    except (Unauthenticated, Forbidden):
                        mailbox.close()
                    except Refused:
                        continue
        except Exception:
            log.error("streams were not checked", trace=traceback.format_exc())
        finally:
            self._checking = None


def frame_of(told: Told) -> Frame:
    return Frame(0, b"event: %b\ndata: %b\n\n" % (told.type.encode(), encode(told)))


class StreamRoutes:
    """Opens streams of organizations."""

    def __init__(self, streams: OrgStreams, admit: Admit) -> None:
        self._streams = streams
        self._admit = admit

    async def open(self, request: Request) -> Answer:
        return self._streams.open(
            request.caller.tenant_id, request.caller.scopes, lambda: self._admit(request, SCOPE)
        )

    def endpoints(self) -> list[Endpoint]:
        return [
            Endpoint(
                method="GET",
                path="/api/tasks/stream",
                handler=self.open,
                summary="What happens to an organization's tasks and processes, as it happens",
                scope=SCOPE,
                answer=Told,
                content_type=CONTENT_TYPE.decode(),
                errors=tuple(sorted(ALWAYS)),
            )
        ]
