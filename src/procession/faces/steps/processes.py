"""Routes about processes: create one, say what happened, read one, list many."""

from __future__ import annotations

import re
from collections.abc import Mapping

from msgspec import UNSET, Raw
from msgspec.json import format as formatted

from procession import tracked, tracking
from procession.core.errors import NotFound
from procession.core.process import EMPTY, Process
from procession.core.reported import StepDef
from procession.engine import Engine
from procession.faces.endpoint import Answer, Endpoint, Headers, Request
from procession.faces.stamps import etag, second_stamp, version_seen
from procession.faces.steps.declared import PREFIX, declare
from procession.faces.steps.processes_answers import (
    Created,
    ProcessList,
    ProcessShown,
    Templates,
    Updated,
)
from procession.faces.steps.processes_messages import (
    CancelProcess,
    CreateProcess,
    ListQuery,
    StepBody,
    UpdateProcess,
)
from procession.faces.steps.processes_views import listed, shown
from procession.faces.steps.words import STATES, own_namespace, shown_namespace
from procession.faces.strict import BodyInvalid, FieldError
from procession.store.tracking_lists import Wanted

ONE = "/processes/{process_id}"
READ = "processes:read"
WRITE = "processes:write|tasks:create"
META = "meta."
META_MAX = 10
NEEDED: Mapping[str, tuple[str, ...]] = {
    "step_started": ("step",),
    "step_completed": ("step",),
    "step_failed": ("step", "error"),
    "progress": ("step",),
    "completed": (),
    "failed": ("error",),
}
_ID = re.compile(r"[0-9A-Fa-f]{8}-(?:[0-9A-Fa-f]{4}-){3}[0-9A-Fa-f]{12}")


async def find(engine: Engine, request: Request) -> Process:
    """The process of the path. Raises NotFound, for a malformed id as for an unknown one."""
    process_id = request.params["process_id"]
    if not _ID.fullmatch(process_id):
        raise NotFound("Process not found")
    return await tracked.find_process(engine, request.caller, process_id)


class Processes:
    """Lists, reads, creates, updates and cancels."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def page(self, request: Request) -> Answer:
        query: ListQuery = request.query
        found = await tracked.list_processes(
            self._engine,
            request.caller,
            _wanted(request, query),
            offset=query.offset,
            limit=query.limit,
        )
        tasks = await tracked.tasks_of(self._engine, found.processes)
        return Answer(
            body=ProcessList(
                processes=[listed(one, tasks[one.process_id]) for one in found.processes],
                total=found.counted.total,
                limit=query.limit,
                offset=query.offset,
                total_is_estimate=UNSET if found.counted.exact else True,
            )
        )

    async def get(self, request: Request) -> Answer:
        process = await find(self._engine, request)
        if version_seen(request) == process.version:
            return Answer(304, headers=(etag(process),))
        return await self._shown(process)

    async def create(self, request: Request) -> Answer:
        message: CreateProcess = request.message
        caller = request.caller
        _check_keys(message.steps)
        namespace = own_namespace(caller.tenant_id, message.namespace)
        if not namespace:
            raise BodyInvalid([FieldError("/namespace", "names only the organization")])
        process = await tracking.track(
            self._engine,
            caller,
            _definition(message),
            namespace=namespace,
            process_id=message.process_id and message.process_id.lower(),
        )
        process_id = tracking.shown_id(process)
        created = Created(
            process_id,
            shown_namespace(caller.tenant_id, namespace),
            message.name,
            second_stamp(process.created_ms),
        )
        location = (b"location", f"{PREFIX}/processes/{process_id}".encode())
        return Answer(201, created, (etag(process), location))

    async def update(self, request: Request) -> Answer:
        message: UpdateProcess = request.message
        process = await find(self._engine, request)
        _check_needed(message)
        update = _update(message)
        after = await tracking.report(self._engine, request.caller, process.process_id, update)
        stamped = second_stamp(self._engine.now_ms())
        updated = Updated(tracking.shown_id(process), message.type, stamped)
        return Answer(200, updated, (etag(after),))

    async def cancel(self, request: Request) -> Answer:
        message: CancelProcess = request.message
        process = await find(self._engine, request)
        cancelled = await tracked.cancel_process(
            self._engine, request.caller, process.process_id, message.reason or ""
        )
        return await self._shown(cancelled)

    async def templates(self, request: Request) -> Answer:
        return Answer(body=Templates(await tracked.list_templates(self._engine, request.caller)))

    async def _shown(self, process: Process) -> Answer:
        headers: Headers = (etag(process),)
        return Answer(200, await shown(self._engine, process), headers)

    def endpoints(self) -> list[Endpoint]:
        return [
            declare(
                "GET /processes",
                self.page,
                "Processes, newest first, by any filters together",
                scope=READ,
                answer=ProcessList,
                query=ListQuery,
            ),
            declare(
                "GET /processes/templates",
                self.templates,
                "The distinct template ids of processes",
                scope=READ,
                answer=Templates,
            ),
            declare(
                "POST /processes",
                self.create,
                "Create a process whose steps will be reported",
                scope=WRITE,
                answer=Created,
                body=CreateProcess,
                success=(201,),
                errors=(409,),
            ),
            declare(
                f"GET {ONE}",
                self.get,
                "A process with its timeline",
                scope=READ,
                answer=ProcessShown,
                success=(200, 304),
                errors=(404,),
            ),
            declare(
                f"POST {ONE}/update",
                self.update,
                "Say what happened to a process",
                scope=WRITE,
                answer=Updated,
                body=UpdateProcess,
                errors=(404, 409),
            ),
            declare(
                f"POST {ONE}/cancel",
                self.cancel,
                "End a process at once",
                scope=WRITE,
                answer=ProcessShown,
                body=CancelProcess,
                body_optional=True,
                errors=(404, 409),
            ),
        ]


def _wanted(request: Request, query: ListQuery) -> Wanted:
    """Raises BodyInvalid for too many pairs of metadata."""
    pairs = [
        (name.removeprefix(META), value)
        for name, value in request.query_words().items()
        if name.startswith(META)
    ]
    if len(pairs) > META_MAX:
        raise BodyInvalid([FieldError("/meta", f"at most {META_MAX} can be combined")])
    return Wanted(
        states=STATES[query.status] if query.status else (),
        namespace=own_namespace(request.caller.tenant_id, query.namespace),
        search=query.search,
        template_id=query.template_id,
        metadata=tuple(pairs),
        oldest_first=query.sort == "oldest",
    )


def _definition(message: CreateProcess) -> tracking.Definition:
    return tracking.Definition(
        message.name,
        tuple(
            StepDef(step.key, step.label, bool(step.human), bool(step.continue_on_failure))
            for step in message.steps
        ),
        message.description or "",
        message.template_id or "",
        message.metadata or {},
    )


def _check_keys(steps: list[StepBody]) -> None:
    """Raises BodyInvalid."""
    seen: set[str] = set()
    faults = []
    for place, step in enumerate(steps):
        if step.key in seen:
            faults.append(FieldError(f"/steps/{place}/key", f"{step.key!r} is there twice"))
        seen.add(step.key)
    if faults:
        raise BodyInvalid(faults)


def _check_needed(message: UpdateProcess) -> None:
    """Raises BodyInvalid."""
    faults = [
        FieldError(f"/{name}", f"{name} is required and missing")
        for name in NEEDED[message.type]
        if getattr(message, name) is None
    ]
    if faults:
        raise BodyInvalid(faults)


def _update(message: UpdateProcess) -> tracking.Update:
    return tracking.Update(
        kind=message.type,
        step=message.step or "",
        detail=message.detail or "",
        data=_value(message.data),
        error=message.error or "",
        message=message.message,
        percent=message.percent,
        summary=_value(message.summary),
    )


def _value(raw: Raw) -> Raw:
    """A value as it was sent, on one line: streams send it so."""
    line = Raw(formatted(bytes(raw), indent=-1))
    return EMPTY if bytes(line) == b"null" else line
