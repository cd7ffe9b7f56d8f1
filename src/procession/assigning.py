"""Asking somebody for something: who it is, what it belongs to, whom its end is told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from msgspec import Raw, Struct
from msgspec.json import encode

from procession import tracking
from procession.caller import Caller
from procession.core.errors import Invalid, NotFound
from procession.core.process import EMPTY, Process
from procession.core.process import Sink as CoreSink
from procession.engine import Engine
from procession.forms.blocks import Definition
from procession.links import make_link_id
from procession.sinks.carrier import origin_of
from procession.sinks.definitions import EVENTS, Sink, encode_sinks, fires, is_address
from procession.tasks import Asked, NewTask, TaskRead, ask

ME = "me"
_USER = "user:"
_MILESTONES = {"completed": "completed", "cancelled": "cancelled", "failed": "failed_terminal"}


class Member(NamedTuple):
    """A person of the organization."""

    person_id: int
    email: str
    name: str


class Asking(Struct, frozen=True, kw_only=True):
    """A form somebody is to fill in. `process_id` is as the caller knows the process.

    `assignee_member_id` is a person's number as text, or `me`.
    """

    definition: Definition
    task_id: str | None = None
    assignee_member_id: str | None = None
    assignee_email: str | None = None
    assignee_name: str = ""
    assignee_phone: str = ""
    require_otp: bool = False
    template_id: str | None = None
    correlation_key: str | None = None
    metadata: Mapping[str, Any] = {}
    process_id: str | None = None
    process_step: str | None = None
    expires_in_s: int | None = None
    sinks: Sequence[Sink] = ()


class AskedFor(NamedTuple):
    """A task with its first link."""

    task: TaskRead
    link_id: str
    needs_code: bool


class Assignee(NamedTuple):
    """Who is to answer; an external one has no `person_id`."""

    person_id: int | None = None
    email: str | None = None
    name: str = ""

    def needs_code(self, require_otp: bool) -> bool:
        """Somebody from outside proves that the address is theirs. Raises Invalid."""
        external = self.person_id is None and self.email is not None
        if require_otp and self.email is None:
            rule = "needs an assignee, whose address the code is sent to"
            raise Invalid("/require_otp", rule)
        return require_otp or external


async def ask_for(engine: Engine, caller: Caller, asking: Asking) -> AskedFor:
    """Raises Invalid, NotFound (the process), RequestReused, Overloaded."""
    assignee = await assignee_of(engine, caller, asking.assignee_member_id, asking.assignee_email)
    needs_code = assignee.needs_code(asking.require_otp)
    about = await _about(engine, caller, asking.process_id, asking.process_step)
    expires_ms = None
    if asking.expires_in_s is not None:
        expires_ms = engine.now_ms() + asking.expires_in_s * 1_000
    new = NewTask(
        title=asking.definition.title,
        asked=Asked(
            form=Raw(encode(asking.definition)),
            metadata=asking.metadata,
            sinks=Raw(encode_sinks(asking.sinks)) if asking.sinks else EMPTY,
            assignee_name=asking.assignee_name or assignee.name,
            assignee_phone=asking.assignee_phone,
        ),
        task_id=asking.task_id,
        namespace=caller.namespace,
        person_id=assignee.person_id,
        assignee_email=assignee.email,
        template_id=asking.template_id,
        correlation_key=asking.correlation_key,
        about_process_id=about.process_id if about else None,
        about_step=asking.process_step if about else None,
        expires_ms=expires_ms,
        sinks=tuple(_core_sink(sink) for sink in asking.sinks),
        link_id=make_link_id(),
        needs_code=needs_code,
    )
    return AskedFor(await ask(engine, caller, new), new.link_id, needs_code)


async def assignee_of(
    engine: Engine, caller: Caller, member_id: str | None, email: str | None
) -> Assignee:
    """A member by number, or by address; any other address is somebody's from outside.

    Raises Invalid.
    """
    if member_id is not None:
        member = await find_member(engine, caller, member_id)
        return Assignee(member.person_id, member.email, member.name)
    if email is None:
        return Assignee()
    email = email.strip().lower()
    if not is_address(email):
        raise Invalid("/assignee_email", "must be a mail address such as name@example.com")
    found = await engine.store.connection.fetch(
        "find_member", tenant_id=caller.tenant_id, email=email
    )
    if found:
        return Assignee(*found[0])
    return Assignee(email=email)


async def find_member(engine: Engine, caller: Caller, member_id: str) -> Member:
    """Raises Invalid, the same for another organization's member as for nobody."""
    person_id = person_of(caller) if member_id == ME else number_of(member_id)
    if member_id == ME and person_id is None:
        rule = "is you only where you are signed in; a token is no member"
        raise Invalid("/assignee_member_id", f"{ME!r} {rule}")
    found = await engine.store.connection.fetch(
        "get_member", tenant_id=caller.tenant_id, person_id=person_id or 0
    )
    if not found:
        raise Invalid("/assignee_member_id", "is no member of your organization")
    return Member(*found[0])


def person_of(caller: Caller) -> int | None:
    """The person behind a signed-in caller; None for a token."""
    if not caller.token_id.startswith(_USER):
        return None
    return number_of(caller.token_id.removeprefix(_USER))


def number_of(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None


async def _about(
    engine: Engine, caller: Caller, process_id: str | None, step: str | None
) -> Process | None:
    """Raises NotFound for an unknown process, Invalid for a step it has not."""
    if process_id is None:
        if step is not None:
            raise Invalid("/process_step", "needs process_id, the process it is a step of")
        return None
    try:
        process = await tracking.find_any(engine, caller, process_id)
    except NotFound:
        raise NotFound("Process not found") from None
    if step is not None and all(one.key != step for one in tracking.definition_of(process).steps):
        raise Invalid("/process_step", f"{step!r} is no step of the process")
    return process


def _core_sink(sink: Sink) -> CoreSink:
    return CoreSink(
        origin_of(sink), tuple(_MILESTONES[event] for event in EVENTS if fires(sink, event))
    )
