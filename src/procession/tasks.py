"""What people are asked: one inbox of forms, drafts to review and interrupted runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from msgspec import Raw, Struct
from msgspec.json import decode, encode

from procession import links, operations, starting, tracking
from procession.caller import Caller
from procession.core import lifecycle, reported, stopping
from procession.core.errors import NotFound, RequestReused, WrongState
from procession.core.process import (
    EMPTY,
    QUEUE_PEOPLE,
    Change,
    Item,
    Process,
    Request,
    Sink,
    item_id_of,
)
from procession.core.states import ItemState
from procession.engine import Engine
from procession.jobs.job import Decision as Reviewed
from procession.store.turn import Decision, Turn
from procession.wakeup import Waiting

TASK = "task"
"""The process type of a form that somebody is asked to fill in."""
SYSTEM = "tasks"
PENDING = "pending"
NOT_PENDING = "Task is not pending"
MARK_CHARS_MAX = 500
"""A longer value of the metadata is kept, but tasks are not found by it."""


class Asked(Struct, frozen=True, omit_defaults=True):
    """What a form task was created with; kept as its process's inputs."""

    form: Raw
    """A `forms.Definition`, encoded."""
    metadata: Mapping[str, Any] = {}
    """The caller's own; tasks are found by what is no array and no object in it."""
    sinks: Raw = EMPTY
    """The caller's own list of sinks, as `sinks` has parsed it."""
    assignee_name: str = ""
    assignee_phone: str = ""


class NewTask(Struct, frozen=True, kw_only=True):
    """A form task to be created. `about_process_id` is our own id of the process."""

    title: str
    asked: Asked
    task_id: str | None = None
    namespace: str
    person_id: int | None = None
    assignee_email: str | None = None
    template_id: str | None = None
    correlation_key: str | None = None
    about_process_id: str | None = None
    about_step: str | None = None
    expires_ms: int | None = None
    sinks: tuple[Sink, ...] = ()
    link_id: str
    """Of its first link."""
    needs_code: bool = False


class TaskRead(NamedTuple):
    """A row of the inbox; `outcome` is JSON: the answer, or `{"reason": …}`."""

    number: int
    task_id: str
    tenant_id: int
    process_id: str
    item_id: str
    kind: str
    state: str
    title: str
    person_id: int | None
    assignee_email: str | None
    template_id: str | None
    correlation_key: str | None
    about_process_id: str | None
    about_step: str | None
    created_ms: int
    finished_ms: int | None
    expires_ms: int | None
    outcome: str


async def ask(engine: Engine, caller: Caller, new: NewTask) -> TaskRead:
    """Ask somebody to fill in a form. Raises RequestReused, Overloaded."""
    now_ms = engine.now_ms()
    process_id = engine.new_id(now_ms)
    process = Process(
        process_id=process_id,
        tenant_id=caller.tenant_id,
        namespace=new.namespace,
        process_type=TASK,
        system=SYSTEM,
        request_id=new.task_id or process_id,
        created_ms=now_ms,
        request=Request(
            face=tracking.FACE,
            inputs=Raw(encode(new.asked)),
            requested_by=caller.asking_through(SYSTEM),
            expires_ms=new.expires_ms,
            sinks=new.sinks,
        ),
    )
    item = Item(
        item_id=item_id_of(process_id, 0),
        process_id=process_id,
        tenant_id=caller.tenant_id,
        capability=TASK,
        queue=QUEUE_PEOPLE,
        state=ItemState.WAITING,
    )

    def make(now_ms: int) -> tuple[Change, Change]:
        accepted = lifecycle.accept(process, now_ms)
        return accepted, lifecycle.plan(accepted.process, [item], now_ms)

    submitted = await engine.ledger.submit(
        process, make, lambda turn: _also(turn, process, item, new)
    )
    if submitted.duplicate:
        raise RequestReused("a task has this task_id already")
    await _tell_its_process(engine, process.request_id, new)
    return await find_task(engine, caller, process.request_id)


async def _tell_its_process(engine: Engine, task_id: str, new: NewTask) -> None:
    """The process it belongs to has a new version, so that nobody keeps a record without it."""
    about, step = new.about_process_id, new.about_step or ""

    def decide(process: Process, items: Sequence[Item], now_ms: int) -> Change:
        return reported.belongs(process, step=step, task_id=task_id, now_ms=now_ms)

    if about is not None:
        await engine.ledger.change(about, decide)


async def _also(turn: Turn, process: Process, item: Item, new: NewTask) -> None:
    connection = turn.store.connection
    await connection.execute(
        "insert_task",
        task_id=process.request_id,
        tenant_id=process.tenant_id,
        process_id=process.process_id,
        item_id=item.item_id,
        kind="form",
        title=new.title,
        person_id=new.person_id,
        assignee_email=new.assignee_email,
        template_id=new.template_id,
        correlation_key=new.correlation_key,
        about_process_id=new.about_process_id,
        about_step=new.about_step,
        created_ms=turn.now_ms,
        expires_ms=new.expires_ms,
    )
    for key, value in new.asked.metadata.items():
        mark = mark_of(value)
        if mark is not None:
            await connection.execute(
                "insert_task_metadata", item_id=item.item_id, key=key, value=mark
            )
    link = links.NewLink(
        process_id=process.process_id,
        task_id=process.request_id,
        email=new.assignee_email,
        name=new.asked.assignee_name or None,
        phone=new.asked.assignee_phone or None,
        needs_code=new.needs_code,
        expires_ms=new.expires_ms,
    )
    await links.insert_link(turn, process.tenant_id, link, new.link_id)
    turn.topics |= {("process", process.process_id), ("tasks", process.tenant_id)}


def mark_of(value: Any) -> str | None:
    """A value of the metadata as text to be found by; None where it is none."""
    if isinstance(value, dict | list) or value is None:
        return None
    text = value if isinstance(value, str) else encode(value).decode()
    return text if len(text) <= MARK_CHARS_MAX else None


async def find_task(engine: Engine, caller: Caller, task_id: str) -> TaskRead:
    """Raises NotFound, for a foreign one as for an unknown one."""
    found = await engine.store.connection.fetch(
        "get_task", tenant_id=caller.tenant_id, task_id=task_id
    )
    if not found:
        raise NotFound("Task not found")
    return TaskRead(*found[0])


async def wait_for_task(engine: Engine, caller: Caller, task_id: str, wait_ms: int) -> TaskRead:
    """The task once it is pending no more, or as it is when the wait is over. Raises NotFound."""
    ends_ms = engine.now_ms() + wait_ms
    task = await find_task(engine, caller, task_id)
    with Waiting(engine.wakeup, [("process", task.process_id)]) as waiting:
        while True:
            task = await find_task(engine, caller, task_id)
            left_ms = ends_ms - engine.now_ms()
            if task.state != PENDING or left_ms <= 0 or engine.wakeup.closing:
                return task
            await waiting.wait(min(left_ms, operations.LOOK_AGAIN_MS) / 1000)


async def complete_task(engine: Engine, caller: Caller, task: TaskRead, data: Raw) -> TaskRead:
    """Take a person's answer, which was checked against the task's form.

    A step it belongs to is completed with it. Raises NotFound, WrongState, Overloaded.
    """
    if task.state != PENDING:
        raise WrongState(NOT_PENDING)
    try:
        await _complete(engine, caller, task, data)
    except WrongState:
        # Somebody else was first.
        raise WrongState(NOT_PENDING) from None
    return await find_task(engine, caller, task.task_id)


async def _complete(engine: Engine, caller: Caller, task: TaskRead, data: Raw) -> None:
    if task.kind == "form":
        await _fulfil(engine, task, data)
    elif task.kind == "review":
        decision = decode(data, type=Reviewed)
        await starting.review_item(engine, caller, task.process_id, task.item_id, decision)
    else:
        word = decode(data, type=Answered).decision
        await operations.answer(engine, caller, task.process_id, task.item_id, word)


class Answered(Struct, frozen=True):
    """What a person decided about an interrupted run: `retry` or `fail`."""

    decision: str


async def _fulfil(engine: Engine, task: TaskRead, data: Raw) -> None:
    def decide(process: Process, items: Sequence[Item], now_ms: int) -> Change:
        return lifecycle.fulfil(process, items[0], data=data, now_ms=now_ms)

    first = Decision(task.process_id, decide, (task.item_id,))
    if task.about_process_id and task.about_step:
        then = tracking.step_done(task.about_process_id, task.about_step, data)
        await engine.ledger.change_two(first, then)
    else:
        await engine.ledger.change(task.process_id, decide, (task.item_id,))


async def cancel_task(engine: Engine, caller: Caller, task: TaskRead, reason: str) -> TaskRead:
    """Ask no longer; for a draft or an interrupted run this cancels its process.

    Raises WrongState, Overloaded.
    """
    if task.state != PENDING:
        raise WrongState(NOT_PENDING)

    def decide(process: Process, items: Sequence[Item], now_ms: int) -> Change:
        if process.final:
            raise WrongState(NOT_PENDING)
        open_items = [item for item in items if item.finished_ms is None]
        return stopping.cancel_at_once(process, open_items, reason=reason, now_ms=now_ms)

    await engine.ledger.change(task.process_id, decide, item_ids=None)
    return await find_task(engine, caller, task.task_id)


async def asked_of(engine: Engine, task: TaskRead) -> Asked:
    """What a form task was created with. Raises NotFound."""
    process = await engine.store.process(task.process_id)
    if process is None:
        raise NotFound
    return decode(process.request.inputs, type=Asked)


async def draft_for(engine: Engine, task: TaskRead) -> Raw:
    """What a review is about, as JSON; `null` when there is none."""
    notes = await engine.store.notes([task.item_id])
    return Raw(notes.get((task.item_id, "draft"), "null").encode())
