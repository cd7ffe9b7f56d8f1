"""Processes whose steps an outside system reports on: create one, say what happened, read it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from msgspec import Raw, Struct
from msgspec.json import decode, encode

from procession.caller import Caller
from procession.core import lifecycle, reported
from procession.core.errors import Invalid, RequestReused, WrongState
from procession.core.process import (
    EMPTY,
    QUEUE_REPORTED,
    Change,
    Item,
    Process,
    Request,
    item_id_of,
)
from procession.core.reported import StepDef
from procession.engine import Engine
from procession.operations import find
from procession.store.turn import Decision, Turn

FACE = "steps"
TRACKED = "steps"
"""The process type of what is reported from outside."""
SYSTEM = "steps"
SILENT_MS_MAX = 30 * 86_400_000

Kind = Literal["step_started", "step_completed", "step_failed", "progress", "completed", "failed"]


class Definition(Struct, frozen=True, omit_defaults=True):
    """What a tracked process was created with; kept as its request's inputs."""

    name: str
    steps: tuple[StepDef, ...]
    description: str = ""
    template_id: str = ""
    metadata: Mapping[str, str] = {}


class Update(Struct, frozen=True, kw_only=True):
    """What an outside system says; which fields count is a matter of `kind`."""

    kind: Kind
    step: str = ""
    detail: str = ""
    data: Raw = EMPTY
    error: str = ""
    message: str | None = None
    percent: float | None = None
    summary: Raw = EMPTY


async def track(
    engine: Engine,
    caller: Caller,
    definition: Definition,
    *,
    namespace: str,
    process_id: str | None = None,
) -> Process:
    """Create a process; `process_id` is the caller's own. Raises RequestReused, Overloaded."""
    now_ms = engine.now_ms()
    own_id = engine.new_id(now_ms)
    process = Process(
        process_id=own_id,
        tenant_id=caller.tenant_id,
        namespace=namespace,
        process_type=TRACKED,
        system=SYSTEM,
        request_id=process_id or own_id,
        created_ms=now_ms,
        request=Request(
            face=FACE,
            inputs=Raw(encode(definition)),
            requested_by=caller.asking_through(SYSTEM),
            silent_ms_max=SILENT_MS_MAX,
            excused=tuple(step.key for step in definition.steps if step.continue_on_failure),
        ),
    )

    def make(now_ms: int) -> tuple[Change, Change]:
        accepted = lifecycle.accept(process, now_ms)
        items = [
            Item(
                item_id=item_id_of(own_id, position),
                process_id=own_id,
                tenant_id=caller.tenant_id,
                capability=TRACKED,
                queue=QUEUE_REPORTED,
                step=step.key,
            )
            for position, step in enumerate(definition.steps)
        ]
        return accepted, lifecycle.plan(accepted.process, items, now_ms)

    submitted = await engine.ledger.submit(
        process, make, lambda turn: _also(turn, process, definition)
    )
    if submitted.duplicate:
        raise RequestReused("a process has this process_id already")
    return submitted.process


async def _also(turn: Turn, process: Process, definition: Definition) -> None:
    """What it is found by, besides what every process is."""
    connection = turn.store.connection
    await connection.execute(
        "insert_tracked",
        process_id=process.process_id,
        name=definition.name.lower(),
        template_id=definition.template_id or None,
    )
    for key, value in definition.metadata.items():
        await connection.execute(
            "insert_process_metadata", process_id=process.process_id, key=key, value=value
        )
    turn.topics.add(("process", process.process_id))


async def find_any(engine: Engine, caller: Caller, process_id: str) -> Process:
    """A process by the id its caller gave it, or by ours. Raises NotFound."""
    found = await engine.store.request(caller.tenant_id, TRACKED, SYSTEM, process_id)
    return found or await find(engine, caller, process_id)


def shown_id(process: Process) -> str:
    """The id by which this face's callers know a process."""
    return process.request_id if process.system == SYSTEM else process.process_id


def definition_of(process: Process) -> Definition:
    """Of a process that came through another face: its type, as its only kind of step."""
    if process.process_type == TRACKED and process.system == SYSTEM:
        return decode(process.request.inputs, type=Definition)
    steps = tuple(process.standing.tally) or ("run",)
    named = tuple(StepDef(key, key.replace("_", " ").capitalize()) for key in steps)
    return Definition(process.process_type, named)


async def report(engine: Engine, caller: Caller, process_id: str, update: Update) -> Process:
    """Take an update; late and repeated ones change nothing.

    Raises NotFound, Invalid (`/step`), WrongState, Overloaded.
    """
    process = await find_any(engine, caller, process_id)
    return (await engine.ledger.change(process.process_id, _Said(update), item_ids=None)).process


def step_done(process_id: str, step: str, data: Raw) -> Decision:
    """The decision that completes a step of a process: what a task does that belongs to it."""
    update = Update(kind="step_completed", step=step, data=data)
    return Decision(process_id, _Said(update), None)


class _Said(Struct, frozen=True):
    """One update as a decision about its process."""

    update: Update

    def __call__(self, process: Process, items: Sequence[Item], now_ms: int) -> Change:
        if not process.request.silent_ms_max:
            raise WrongState("the process is run here; nothing can be reported on it")
        update = self.update
        if update.kind == "completed":
            return reported.finish(process, items, summary=update.summary, now_ms=now_ms)
        if update.kind == "failed":
            return reported.give_up(process, items, error=update.error, now_ms=now_ms)
        return self._of_step(process, items, now_ms)

    def _of_step(self, process: Process, items: Sequence[Item], now_ms: int) -> Change:
        update = self.update
        item = next((item for item in items if item.step == update.step), None)
        if item is None:
            raise Invalid("/step", f"{update.step!r} is no step of the process")
        others = [other for other in items if other is not item]
        if update.kind == "step_completed":
            detail, data = update.detail, update.data
            return reported.complete(process, item, others, detail=detail, data=data, now_ms=now_ms)
        if update.kind == "step_failed":
            return reported.fail(process, item, others, error=update.error, now_ms=now_ms)
        steps = definition_of(process).steps
        human = any(step.human for step in steps if step.key == update.step)
        if update.kind == "step_started":
            return reported.start(process, item, human=human, detail=update.detail, now_ms=now_ms)
        return reported.progress(
            process,
            item,
            human=human,
            message=update.message,
            percent=update.percent,
            now_ms=now_ms,
        )
