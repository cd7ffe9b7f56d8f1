"""The pages behind links: a form to fill in, a process to look at, a code where one is needed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from procession import answering, tasks
from procession.caller import Caller
from procession.core.errors import NotFound, WrongState
from procession.engine import Engine
from procession.faces.endpoint import Answer, Endpoint, Face, Request
from procession.faces.steps.addresses import Addresses, signed_path
from procession.faces.steps.allowance import TIMES_MAX, Allowance, bytes_of
from procession.faces.steps.door import PREFIX, TOO_LATE, Door
from procession.faces.steps.files import Files
from procession.faces.steps.page_answers import message, page, refusal_page
from procession.faces.steps.posted import reading, store_files
from procession.faces.steps.process_page import process_page
from procession.faces.steps.words import org_id_of
from procession.files.multipart import Form
from procession.forms.answers import answers_from_form
from procession.forms.blocks import Definition
from procession.forms.errors import AnswersInvalid
from procession.forms.page import render_form
from procession.forms.views import FormView
from procession.links import LinkRead
from procession.tasks import PENDING, TaskRead

ONE = "/t/{link_id}"
FILE_MS = 3_600_000


class Opened(NamedTuple):
    """A task that somebody looks at through a link."""

    link: LinkRead
    task: TaskRead
    holder: str


class Pages:
    """Shows what a link leads to, and takes what its reader sends."""

    def __init__(self, engine: Engine, files: Files, addresses: Addresses) -> None:
        self._engine = engine
        self._files = files
        self._addresses = addresses
        self._door = Door(engine, addresses)
        self._allowance = Allowance()

    async def get(self, request: Request) -> Answer:
        link = await self._door.link(request)
        holder = await self._door.holder(request, link)
        if holder is None:
            return await self._door.ask(request, link)
        if link.subject == "process":
            return await process_page(self._engine, link)
        task = await self._task(link)
        return _ended(task) or await self._form(request, Opened(link, task, holder), {}, ())

    async def post(self, request: Request) -> Answer:
        link = await self._door.link(request)
        holder = await self._door.holder(request, link)
        if holder is None:
            return await self._door.ask(request, link)
        if link.subject == "process":
            raise NotFound
        task = await self._task(link)
        return _ended(task) or await self._answered(request, Opened(link, task, holder))

    async def _task(self, link: LinkRead) -> TaskRead:
        return await tasks.find_task(self._engine, _caller(link), link.task_id or "")

    async def _form(
        self,
        request: Request,
        opened: Opened,
        data: dict[str, Any],
        faults: Sequence[tuple[str, str]],
    ) -> Answer:
        link, task, holder = opened
        form = await answering.form_of(self._engine, task)
        nonce = await self._door.nonce(link, holder)
        signed = await self._addresses.file_links()
        until_ms = self._engine.now_ms() + FILE_MS
        org = org_id_of(link.tenant_id)
        return page(
            lambda csp_nonce: render_form(
                FormView(
                    definition=form,
                    action=PREFIX + link.link_id,
                    csp_nonce=csp_nonce,
                    nonce=nonce,
                    data=data,
                    faults=faults,
                    origin=self._addresses.origin(request),
                    file_address=lambda path: signed_path(signed, path, org, until_ms),
                )
            ),
            400 if faults else 200,
        )

    async def _answered(self, request: Request, opened: Opened) -> Answer:
        link, task, holder = opened
        form = await answering.form_of(self._engine, task)
        files = answering.OwnFiles(
            self._files.store_or_none(), org_id_of(link.tenant_id), f"task-{task.number}"
        )
        with request.parked():
            async with reading(request, form, self._engine.settings.file_bytes_max) as posted:
                fields, parts = posted
                if not await self._door.is_ours(link, fields, holder):
                    shown = answers_from_form(form, fields)
                    return await self._form(request, opened, shown, [("", TOO_LATE)])
                self._allow(link, form, parts)
                stored = await store_files(parts, form, files)
        data = answers_from_form(form, fields, stored)
        # It may have been revoked while a large file came in.
        await self._door.link(request)
        try:
            answers = await answering.checked(task, form, data, files)
            await tasks.complete_task(self._engine, _caller(link), task, answers)
        except AnswersInvalid as invalid:
            shown = await answering.with_names(form, data, files)
            return await self._form(request, opened, shown, invalid.details)
        except WrongState:
            return _ended(await self._task(link)) or message("used", task.title)
        return message("done", task.title)

    def _allow(self, link: LinkRead, form: Definition, parts: Form | None) -> None:
        """Raises FormTooLarge."""
        size = sum(file.size for file in parts.files) if parts else 0
        if size:
            most = TIMES_MAX * bytes_of(form)
            self._allowance.take(link.link_id, size, most, self._engine.now_ms())

    def endpoints(self) -> list[Endpoint]:
        kind = "text/html"
        errors = (400, 404, 410, 413, 429, 501, 503)
        shared: dict[str, Any] = {"content_type": kind, "errors": errors}
        return [
            Endpoint(
                method="GET", path=ONE, handler=self.get, summary="What a link leads to", **shared
            ),
            Endpoint(method="POST", path=ONE, handler=self.post, summary="Answer a form", **shared),
            Endpoint(
                method="POST",
                path=f"{ONE}/code",
                handler=self._door.try_code,
                summary="Show the page a one-time code",
                success=(303,),
                **shared,
            ),
            Endpoint(
                method="POST",
                path=f"{ONE}/code/new",
                handler=self._door.send_code,
                summary="Send a new code",
                **shared,
            ),
        ]


def pages_face(engine: Engine) -> Face:
    """The pages behind links: for people, without a token."""
    addresses = Addresses(engine)
    pages = Pages(engine, Files(engine, addresses), addresses)
    return Face(
        name="pages",
        prefix=PREFIX,
        endpoints=pages.endpoints(),
        refuse=refusal_page,
        admit=_nobody,
    )


async def _nobody(request: Request, scope: str) -> Caller:
    raise NotFound


def _caller(link: LinkRead) -> Caller:
    return Caller(f"link:{link.link_id[:8]}", link.tenant_id, "", frozenset())


def _ended(task: TaskRead) -> Answer | None:
    """What is said of a task that takes no answer any more."""
    if task.state == PENDING:
        return None
    if task.state == "completed":
        return message("used", task.title)
    return message("cancelled" if task.state == "cancelled" else "failed", task.title)
