"""Links: who holds one may see a process, or a task, without a token.

A link's id is a secret: long, made by chance, and never derived from what it leads to.
"""

from __future__ import annotations

import secrets
from typing import Literal, NamedTuple

from msgspec import Struct

from procession.caller import Caller
from procession.core.errors import NotFound, Refused, WrongState
from procession.engine import Engine
from procession.store.connection import Row
from procession.store.turn import Turn

ID_BYTES = 24
ID_CHARS_MAX = 64
LINKS_MAX = 100
"""To one process or one task, revoked ones too: so many can be looked through."""
EXPIRES_S_MIN = 60
EXPIRES_S_MAX = 2_592_000


class LinkGone(Refused):
    """The link is no longer valid."""

    code = "link_gone"

    def __init__(self, why: Literal["expired", "revoked"] = "expired") -> None:
        super().__init__(f"the link was {why}" if why == "revoked" else "the link has expired")
        self.why = why


class LinksExhausted(WrongState):
    """There are too many links to this already; revoked ones count too."""

    code = "links_exhausted"


class NewLink(Struct, frozen=True, kw_only=True):
    """A link to be made. `process_id` is our own; `task_id` only where it leads to a task."""

    process_id: str
    task_id: str | None = None
    email: str | None = None
    name: str | None = None
    phone: str | None = None
    needs_code: bool = False
    expires_ms: int | None = None

    @property
    def subject(self) -> str:
        return "process" if self.task_id is None else "task"


class LinkRead(NamedTuple):
    """A link as it is kept."""

    link_id: str
    tenant_id: int
    subject: str
    """`process` or `task`."""
    process_id: str
    task_id: str | None
    email: str | None
    name: str | None
    phone: str | None
    needs_code: bool
    created_ms: int
    expires_ms: int | None
    revoked_ms: int | None

    def is_live(self, now_ms: int) -> bool:
        return self.revoked_ms is None and (self.expires_ms is None or now_ms < self.expires_ms)


def make_link_id() -> str:
    return secrets.token_urlsafe(ID_BYTES)


async def insert_link(turn: Turn, tenant_id: int, new: NewLink, link_id: str) -> None:
    """Write a link with whatever else this turn writes."""
    await turn.store.connection.execute(
        "insert_link",
        link_id=link_id,
        tenant_id=tenant_id,
        subject=new.subject,
        process_id=new.process_id,
        task_id=new.task_id,
        email=new.email,
        name=new.name,
        phone=new.phone,
        needs_code=int(new.needs_code),
        created_ms=turn.now_ms,
        expires_ms=new.expires_ms,
    )


async def create_link(engine: Engine, caller: Caller, new: NewLink) -> LinkRead:
    """A link to what the caller was seen to own. Raises LinksExhausted, Overloaded."""
    link_id = make_link_id()

    async def run(turn: Turn) -> None:
        held = await turn.store.connection.fetch(
            "list_links", **_words(caller, new.process_id, new.task_id)
        )
        if len(held) >= LINKS_MAX:
            raise LinksExhausted
        await insert_link(turn, caller.tenant_id, new, link_id)

    await engine.ledger.errand(run)
    return await find_link(engine, link_id)


async def list_links(
    engine: Engine, caller: Caller, process_id: str, task_id: str | None = None
) -> list[LinkRead]:
    """Those to a process itself, or to one task of it, oldest first, ended ones too."""
    found = await engine.store.connection.fetch("list_links", **_words(caller, process_id, task_id))
    return [_link_of(row) for row in found]


async def revoke_link(
    engine: Engine, caller: Caller, process_id: str, link_id: str, task_id: str | None = None
) -> LinkRead:
    """End a link; one that was revoked stays as it was. Raises NotFound, Overloaded."""
    link = await find_link(engine, link_id)
    if link[1:5] != (caller.tenant_id, "task" if task_id else "process", process_id, task_id):
        raise NotFound

    async def run(turn: Turn) -> None:
        await turn.store.connection.execute(
            "revoke_link",
            link_id=link_id,
            tenant_id=caller.tenant_id,
            process_id=process_id,
            subject=link.subject,
            now_ms=turn.now_ms,
        )

    await engine.ledger.errand(run)
    return await find_link(engine, link_id)


async def find_link(engine: Engine, link_id: str) -> LinkRead:
    """A link, live or not. Raises NotFound."""
    if not 0 < len(link_id) <= ID_CHARS_MAX:
        raise NotFound
    found = await engine.store.connection.fetch("get_link", link_id=link_id)
    if not found:
        raise NotFound
    return _link_of(found[0])


async def find_live_link(engine: Engine, link_id: str) -> LinkRead:
    """A link that may be used now. Raises NotFound, LinkGone."""
    link = await find_link(engine, link_id)
    if not link.is_live(engine.now_ms()):
        raise LinkGone("expired" if link.revoked_ms is None else "revoked")
    return link


def _words(caller: Caller, process_id: str, task_id: str | None) -> dict[str, object]:
    return {
        "tenant_id": caller.tenant_id,
        "subject": "process" if task_id is None else "task",
        "process_id": process_id,
        "task_id": task_id,
        "limit": LINKS_MAX,
    }


def _link_of(row: Row) -> LinkRead:
    link = LinkRead(*row)
    return link._replace(needs_code=bool(link.needs_code))
