"""Routes about read-only links to processes: who holds one sees the process on a page."""

from __future__ import annotations

from msgspec import UNSET, UnsetType

from procession import links, tracking
from procession.core.errors import NotFound
from procession.core.process import Process
from procession.engine import Engine
from procession.faces.endpoint import Answer, Endpoint, Request
from procession.faces.stamps import second_stamp
from procession.faces.steps.addresses import Addresses
from procession.faces.steps.declared import declare
from procession.faces.steps.processes import ONE, READ, WRITE, find
from procession.faces.steps.processes_answers import Links, LinkShown
from procession.faces.steps.processes_messages import LinkQuery, ShareProcess
from procession.links import LinkRead, NewLink

EXPIRES_S = 7 * 86_400
"""Of a link that was made without a word about it."""
UNKNOWN = "Link not found"


class ProcessLinks:
    """Makes, lists and revokes links to processes."""

    def __init__(self, engine: Engine, addresses: Addresses) -> None:
        self._engine = engine
        self._addresses = addresses

    async def create(self, request: Request) -> Answer:
        message: ShareProcess = request.message
        process = await find(self._engine, request)
        new = NewLink(
            process_id=process.process_id,
            email=message.assignee_email.lower(),
            name=message.assignee_name or None,
            phone=message.assignee_phone or None,
            needs_code=bool(message.require_otp),
            expires_ms=self._engine.now_ms() + 1_000 * (message.expires_in or EXPIRES_S),
        )
        link = await links.create_link(self._engine, request.caller, new)
        return Answer(201, self._shown(request, process, link))

    async def all(self, request: Request) -> Answer:
        process = await find(self._engine, request)
        held = await links.list_links(self._engine, request.caller, process.process_id)
        return Answer(body=Links([self._shown(request, process, link) for link in held]))

    async def revoke(self, request: Request) -> Answer:
        query: LinkQuery = request.query
        process = await find(self._engine, request)
        try:
            link = await links.revoke_link(
                self._engine, request.caller, process.process_id, query.link_id
            )
        except NotFound:
            raise NotFound(UNKNOWN) from None
        return Answer(body=self._shown(request, process, link))

    def _shown(self, request: Request, process: Process, link: LinkRead) -> LinkShown:
        status = "active" if link.is_live(self._engine.now_ms()) else "expired"
        return LinkShown(
            link_id=link.link_id,
            url=self._addresses.form(request, link.link_id),
            process_id=tracking.shown_id(process),
            status=status if link.revoked_ms is None else "revoked",
            requires_otp=link.needs_code,
            assignee_email=link.email or UNSET,
            assignee_name=link.name or UNSET,
            assignee_phone=link.phone or UNSET,
            created_at=second_stamp(link.created_ms),
            expires_at=_stamped(link.expires_ms),
            revoked_at=_stamped(link.revoked_ms),
        )

    def endpoints(self) -> list[Endpoint]:
        path = f"{ONE}/links"
        return [
            declare(
                f"POST {path}",
                self.create,
                "A read-only link to a process",
                scope=WRITE,
                answer=LinkShown,
                body=ShareProcess,
                success=(201,),
                errors=(404, 409),
            ),
            declare(
                f"GET {path}",
                self.all,
                "The links to a process",
                scope=READ,
                answer=Links,
                errors=(404,),
            ),
            declare(
                f"DELETE {path}",
                self.revoke,
                "Revoke a link to a process",
                scope=WRITE,
                answer=LinkShown,
                query=LinkQuery,
                errors=(404,),
            ),
        ]


def _stamped(at_ms: int | None) -> str | UnsetType:
    return UNSET if at_ms is None else second_stamp(at_ms)
