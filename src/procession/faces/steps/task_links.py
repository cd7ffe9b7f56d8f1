"""Routes of a task's links, and of reminders: who else may answer, and who is told again."""

from __future__ import annotations

from procession import assigning, links, mailing
from procession.core.errors import NotFound, WrongState
from procession.engine import Engine
from procession.faces.endpoint import Answer, Endpoint, Request
from procession.faces.stamps import second_stamp
from procession.faces.steps.addresses import Addresses
from procession.faces.steps.declared import declare
from procession.faces.steps.refusals import FieldsInvalid
from procession.faces.steps.task_answers import Notified, TaskLink, TaskLinks
from procession.faces.steps.task_messages import LinkQuery, NewLinkMessage, NotifyQuery
from procession.faces.steps.task_views import link_view
from procession.faces.steps.tasks import ONE, Tasks
from procession.links import LinkRead, NewLink
from procession.mailing import MailOff
from procession.tasks import NOT_PENDING, PENDING, TaskRead

ADMINS_MAX = 10


class TaskLinkRoutes:
    """Makes, lists and revokes links; reminds."""

    def __init__(
        self,
        engine: Engine,
        addresses: Addresses,
        found: Tasks,
        post: mailing.Mailing,
    ) -> None:
        self._engine = engine
        self._addresses = addresses
        self._tasks = found
        self._mailing = post

    async def page(self, request: Request) -> Answer:
        task = await self._tasks.find(request)
        held = await self._links(request, task)
        return Answer(body=TaskLinks([self._view(request, link) for link in held]))

    async def create(self, request: Request) -> Answer:
        message: NewLinkMessage = request.message
        task = await self._pending(request)
        assignee = await assigning.assignee_of(
            self._engine, request.caller, None, message.assignee_email
        )
        expires_ms = task.expires_ms
        if message.expires_in is not None:
            own_ms = self._engine.now_ms() + message.expires_in * 1_000
            expires_ms = min(own_ms, expires_ms or own_ms)
        link = await links.create_link(
            self._engine,
            request.caller,
            NewLink(
                process_id=task.process_id,
                task_id=task.task_id,
                email=assignee.email,
                name=message.assignee_name or assignee.name or None,
                phone=message.assignee_phone,
                needs_code=assignee.needs_code(bool(message.require_otp)),
                expires_ms=expires_ms,
            ),
        )
        shown = self._view(request, link)
        return Answer(201, shown, ((b"location", shown.url.encode()),))

    async def revoke(self, request: Request) -> Answer:
        query: LinkQuery = request.query
        task = await self._tasks.find(request)
        if not query.link_id:
            raise FieldsInvalid([("link_id", "is required: the link to revoke")])
        try:
            link = await links.revoke_link(
                self._engine, request.caller, task.process_id, query.link_id, task.task_id
            )
        except NotFound:
            raise NotFound("Link not found") from None
        return Answer(body=self._view(request, link))

    async def notify(self, request: Request) -> Answer:
        """Raises NotFound, WrongState, FieldsInvalid, MailOff, MailAway."""
        query: NotifyQuery = request.query
        task = await self._pending(request)
        if not self._mailing.works:
            raise MailOff
        told: list[str] = []
        with request.parked():
            if task.assignee_email is not None:
                await self._remind(request, task, task.assignee_email)
                told.append(task.assignee_email)
            if query.escalate:
                told += await self._escalate(request, task)
        if not told:
            rule = "the task has no assignee; say ?escalate=true to tell your admins"
            raise FieldsInvalid([("assignee_email", rule)])
        return Answer(body=Notified(task.task_id, told, query.escalate))

    async def _remind(self, request: Request, task: TaskRead, email: str) -> None:
        now_ms = self._engine.now_ms()
        held = await self._links(request, task)
        link = next((one for one in held if one.email == email and one.is_live(now_ms)), None)
        if link is None:
            assignee = assigning.Assignee(task.person_id, email)
            link = await self._new_link(request, task, email, assignee.needs_code(False))
        expires = second_stamp(task.expires_ms) if task.expires_ms else ""
        url = self._addresses.form(request, link.link_id)
        text = mailing.reminder_text(task.title, url, expires)
        await self._mailing.send(email, f"Reminder: {task.title}", text)

    async def _escalate(self, request: Request, task: TaskRead) -> list[str]:
        """Tell the admins of the organization, each with a link of their own."""
        found = await self._engine.store.connection.fetch(
            "list_admins", tenant_id=task.tenant_id, limit=ADMINS_MAX
        )
        now_ms = self._engine.now_ms()
        held = await self._links(request, task)
        told = []
        for (email,) in found:
            own = (link for link in held if link.email == email and link.is_live(now_ms))
            link = next(own, None) or await self._new_link(request, task, email, False)
            url = self._addresses.form(request, link.link_id)
            text = mailing.escalation_text(task.title, url, task.assignee_email or "")
            await self._mailing.send(email, f"Not answered: {task.title}", text)
            told.append(email)
        return told

    async def _new_link(
        self, request: Request, task: TaskRead, email: str, needs_code: bool
    ) -> LinkRead:
        new = NewLink(
            process_id=task.process_id,
            task_id=task.task_id,
            email=email,
            needs_code=needs_code,
            expires_ms=task.expires_ms,
        )
        return await links.create_link(self._engine, request.caller, new)

    async def _pending(self, request: Request) -> TaskRead:
        task = await self._tasks.find(request)
        if task.state != PENDING:
            raise WrongState(NOT_PENDING)
        return task

    async def _links(self, request: Request, task: TaskRead) -> list[LinkRead]:
        return await links.list_links(self._engine, request.caller, task.process_id, task.task_id)

    def _view(self, request: Request, link: LinkRead) -> TaskLink:
        url = self._addresses.form(request, link.link_id)
        return link_view(link, url, self._engine.now_ms())

    def endpoints(self) -> list[Endpoint]:
        path = f"{ONE}/links"
        return [
            declare(
                f"GET {path}",
                self.page,
                "The links of a task, ended ones too: who reads them may answer",
                scope="tasks:create",
                answer=TaskLinks,
                errors=(404,),
            ),
            declare(
                f"POST {path}",
                self.create,
                "One more link to a task's form",
                scope="tasks:create",
                body=NewLinkMessage,
                answer=TaskLink,
                errors=(404, 409),
                success=(201,),
            ),
            declare(
                f"DELETE {path}",
                self.revoke,
                "End a link at once",
                scope="tasks:create",
                query=LinkQuery,
                answer=TaskLink,
                errors=(404,),
            ),
            declare(
                f"POST {ONE}/notify",
                self.notify,
                "Remind the assignee by mail; with escalate tell the organization's admins too",
                scope="tasks:create",
                query=NotifyQuery,
                answer=Notified,
                errors=(404, 409, 501),
            ),
        ]
