"""Routes of tasks: ask for something, find it, wait for it, answer it, give it up."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec.json import decode
from msgspec.structs import replace

from procession import answering, assigning, inbox, tasks
from procession.assigning import Asking
from procession.core.errors import Invalid, NotFound, WrongState
from procession.engine import Engine
from procession.faces.endpoint import Answer, Endpoint, Request
from procession.faces.stamps import etag, second_stamp, version_seen
from procession.faces.steps.addresses import Addresses
from procession.faces.steps.declared import declare
from procession.faces.steps.files import Files
from procession.faces.steps.refusals import FieldsInvalid
from procession.faces.steps.task_answers import (
    CreatedTask,
    StillPending,
    TaskList,
    TaskTemplates,
    TaskView,
)
from procession.faces.steps.task_messages import (
    CancelMessage,
    CompleteMessage,
    NewTaskMessage,
    TaskQuery,
    TasksQuery,
    WaitQuery,
)
from procession.faces.steps.task_views import file_entries, listed, shown_processes, task_view
from procession.faces.steps.words import org_id_of
from procession.files.keys import FileMissing
from procession.forms.definition import parse_definition
from procession.forms.errors import AnswersInvalid, FormInvalid
from procession.inbox import Sought
from procession.sinks.carrier import make_carrier
from procession.sinks.definitions import (
    SECRET_BYTES,
    Sink,
    SinksInvalid,
    make_webhook_secret,
    parse_sinks,
    with_secret,
)
from procession.tasks import PENDING, Asked, TaskRead
from procession.tracking import find_any
from procession.webhooks.guard import read_url

ONE = "/tasks/{task_id}"
CANCELLED = "Cancelled by request."
META = "meta."


class Tasks:
    """Creates, lists, reads, waits for, completes and cancels tasks."""

    def __init__(self, engine: Engine, addresses: Addresses, files: Files) -> None:
        self._engine = engine
        self._addresses = addresses
        self._files = files
        self._sink_kinds = make_carrier(engine.settings).kinds

    async def create(self, request: Request) -> Answer:
        message: NewTaskMessage = request.message
        sinks, secret = self._sinks(message.sinks)
        asked = await assigning.ask_for(
            self._engine, request.caller, _asking(message, request.body, sinks)
        )
        task_id = asked.task.task_id
        created = CreatedTask(
            task_id=task_id,
            link_id=asked.link_id,
            url=self._addresses.form(request, asked.link_id),
            requires_otp=asked.needs_code,
            created_at=second_stamp(asked.task.created_ms),
            webhook_secret=secret or msgspec.UNSET,
        )
        return Answer(201, created, ((b"location", f"/api/v1/tasks/{task_id}".encode()),))

    async def page(self, request: Request) -> Answer:
        query: TasksQuery = request.query
        sought = await self._sought(request, query)
        found = inbox.TaskPage([], 0)
        if sought is not None:
            found = await inbox.page_tasks(
                self._engine, request.caller, sought, limit=query.limit, offset=query.offset
            )
        shown = await shown_processes(self._engine, found.tasks)
        lines = [listed(task, shown) for task in found.tasks]
        more = True if found.total > inbox.COUNT_MAX else msgspec.UNSET
        total = min(found.total, inbox.COUNT_MAX)
        return Answer(body=TaskList(lines, total, query.limit, query.offset, more))

    async def templates(self, request: Request) -> Answer:
        return Answer(body=TaskTemplates(await inbox.templates(self._engine, request.caller)))

    async def get(self, request: Request) -> Answer:
        query: TaskQuery = request.query
        return await self._shown(request, await self.find(request), query.include_definition)

    async def wait(self, request: Request) -> Answer:
        wait_ms = int(request.query.timeout * 1_000)
        task_id = _task_id(request)
        waiting = asyncio.create_task(
            tasks.wait_for_task(self._engine, request.caller, task_id, wait_ms)
        )
        gone = asyncio.create_task(request.left())
        try:
            with request.parked():
                await asyncio.wait({waiting, gone}, return_when=asyncio.FIRST_COMPLETED)
            if not waiting.done():
                return Answer(408, StillPending(task_id))
            task = waiting.result()
        finally:
            waiting.cancel()
            gone.cancel()
        if task.state == PENDING:
            return Answer(408, StillPending(task.task_id))
        return await self._shown(request, task)

    async def complete(self, request: Request) -> Answer:
        message: CompleteMessage = request.message
        task = await self.find(request)
        org = org_id_of(request.caller.tenant_id)
        files = answering.OwnFiles(self._files.store_or_none(), org)
        if task.state != PENDING:
            raise WrongState(tasks.NOT_PENDING)
        try:
            done = await answering.answer_task(
                self._engine, request.caller, task, message.data, files
            )
        except AnswersInvalid as invalid:
            raise FieldsInvalid(_within("data", invalid.details)) from None
        return await self._shown(request, done)

    async def cancel(self, request: Request) -> Answer:
        message: CancelMessage = request.message
        task = await self.find(request)
        reason = message.reason or CANCELLED
        ended = await tasks.cancel_task(self._engine, request.caller, task, reason)
        return await self._shown(request, ended)

    async def find(self, request: Request) -> TaskRead:
        """The task the path names. Raises NotFound."""
        return await tasks.find_task(self._engine, request.caller, _task_id(request))

    async def _shown(
        self, request: Request, task: TaskRead, include_definition: bool = False
    ) -> Answer:
        process = await self._engine.store.process(task.process_id)
        if process is None:
            raise NotFound("Task not found")
        if request.method in ("GET", "HEAD") and version_seen(request) == process.version:
            return Answer(304, headers=(etag(process),))
        asked = None
        if task.kind == "form":
            asked = decode(process.request.inputs, type=Asked)
        view = task_view(task, await shown_processes(self._engine, [task]), asked)
        if task.kind == "form":
            await self._name_files(request, view)
        if include_definition:
            view = replace(view, definition=await answering.form_of(self._engine, task))
        return Answer(200, view, (etag(process),))

    async def _name_files(self, request: Request, view: TaskView) -> None:
        """Where each file of the answers can be read for a day."""
        for entry in file_entries(view.data):
            try:
                entry["url"] = await self._addresses.file(request, entry["key"])
            except FileMissing:
                continue

    def _sinks(self, given: list[Any] | None) -> tuple[tuple[Sink, ...], str]:
        """The sinks, and the secret that was made for them, if one was. Raises FieldsInvalid."""
        try:
            sinks = parse_sinks(given, read_url, self._sink_kinds)
        except SinksInvalid as invalid:
            raise FieldsInvalid(invalid.errors) from None
        secret = make_webhook_secret(secrets.token_bytes(SECRET_BYTES))
        sinks, made = with_secret(sinks, secret)
        return sinks, secret if made else ""

    async def _sought(self, request: Request, query: TasksQuery) -> Sought | None:
        """None where nothing can match. Raises Invalid."""
        marks = {
            name.removeprefix(META): value
            for name, value in request.query_words().items()
            if name.startswith(META) and len(name) > len(META)
        }
        process_id = ""
        if query.process_id:
            try:
                found = await find_any(self._engine, request.caller, query.process_id)
            except NotFound:
                return None
            process_id = found.process_id
        sought = Sought(
            state=query.status or "",
            search=query.search,
            unassigned=query.unassigned,
            process_id=process_id,
            template_id=query.template_id,
            correlation_key=query.correlation_key or query.corr_id,
            marks=marks,
            oldest_first=query.sort == "oldest",
        )
        return _assigned(request, sought, query.assignee)

    def endpoints(self) -> list[Endpoint]:
        reads: dict[str, Any] = {"scope": "tasks:read"}
        writes: dict[str, Any] = {"scope": "tasks:create", "errors": (404, 409)}
        return [
            declare(
                "POST /tasks",
                self.create,
                "Ask somebody to fill in a form",
                body=NewTaskMessage,
                answer=CreatedTask,
                success=(201,),
                **writes,
            ),
            declare(
                "GET /tasks",
                self.page,
                "Tasks of every kind, by any filters together and by `meta.<key>`",
                query=TasksQuery,
                answer=TaskList,
                **reads,
            ),
            declare(
                "GET /tasks/templates",
                self.templates,
                "The template ids that tasks were created with",
                answer=TaskTemplates,
                **reads,
            ),
            declare(
                f"GET {ONE}",
                self.get,
                "A task, with its answers once it is completed",
                query=TaskQuery,
                answer=TaskView,
                errors=(404,),
                success=(200, 304),
                **reads,
            ),
            declare(
                f"GET {ONE}/wait",
                self.wait,
                "A task once it is pending no more; 408 when the time is over first",
                query=WaitQuery,
                answer=TaskView,
                errors=(404, 408),
                success=(200, 304),
                **reads,
            ),
            declare(
                f"POST {ONE}/complete",
                self.complete,
                "Answer for a person",
                body=CompleteMessage,
                answer=TaskView,
                **writes,
            ),
            declare(
                f"POST {ONE}/cancel",
                self.cancel,
                "Ask no longer",
                body=CancelMessage,
                answer=TaskView,
                **writes,
            ),
        ]


def _task_id(request: Request) -> str:
    """UUIDs are kept in lower case."""
    return request.params["task_id"].lower()


def _within(place: str, details: Any) -> list[tuple[str, str]]:
    return [(f"{place}.{field}", message) for field, message in details]


def _asking(message: NewTaskMessage, body: bytes, sinks: tuple[Sink, ...]) -> Asking:
    """Raises FieldsInvalid."""
    try:
        definition = parse_definition(body)
    except FormInvalid as invalid:
        raise FieldsInvalid(invalid.details) from None
    member = message.assignee_member_id
    metadata: Mapping[str, Any] | None = message.metadata
    if metadata is None:
        metadata = message.payload or {}
    return Asking(
        definition=definition,
        task_id=str(message.task_id) if message.task_id else None,
        assignee_member_id=None if member is None else str(member),
        assignee_email=message.assignee_email,
        assignee_name=message.assignee_name or "",
        assignee_phone=message.assignee_phone or "",
        require_otp=bool(message.require_otp),
        template_id=message.template_id,
        correlation_key=message.correlation_key or message.corr_id,
        metadata=metadata,
        process_id=message.process_id,
        process_step=message.process_step,
        expires_in_s=message.expires_in,
        sinks=sinks,
    )


def _assigned(request: Request, sought: Sought, assignee: str) -> Sought | None:
    """Narrowed to whom a filter names. Raises Invalid for `me` where that is nobody."""
    if not assignee:
        return sought
    if assignee == assigning.ME:
        person_id = assigning.person_of(request.caller)
        if person_id is None:
            raise Invalid("/assignee", "'me' is you only where you are signed in")
        return replace(sought, person_id=person_id)
    if "@" in assignee:
        return replace(sought, assignee_email=assignee.lower())
    number = assigning.number_of(assignee)
    return replace(sought, person_id=number) if number else None
