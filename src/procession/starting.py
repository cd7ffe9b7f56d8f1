"""Jobs as callers see them: start one, see its draft, decide about it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msgspec import Raw, Struct
from msgspec.json import decode, encode

from procession.caller import Caller
from procession.core import lifecycle
from procession.core.errors import Invalid, NotFound, WrongState
from procession.core.process import Change, Item, Process, Request, item_id_of
from procession.core.retry import LOST_MAX
from procession.core.states import State
from procession.engine import Engine
from procession.jobs import registry
from procession.jobs.job import Decision
from procession.protocol import JobTerms
from procession.store.claiming import QUEUE_JOBS
from procession.store.rows import text_of
from procession.store.store import like
from procession.store.turn import Submitted

FACE = "workspace"


class JobRequest(Struct, frozen=True, kw_only=True):
    """A job a face has been asked to start; Raw fields are the caller's own JSON."""

    job_type: str
    namespace: str
    system: str
    request_id: str
    inputs: Raw
    requested_by: Raw
    fingerprint: str = ""


async def start_job(engine: Engine, caller: Caller, request: JobRequest) -> Submitted:
    """Accept and plan a job, or find the one that has its key.

    Raises Invalid (`/type`, `/input`), Overloaded.
    """
    terms = await _terms(engine, caller, request)
    now_ms = engine.now_ms()
    process = _process(engine, caller, request, terms, now_ms)

    def make(now_ms: int) -> tuple[Change, Change]:
        accepted = lifecycle.accept(process, now_ms)
        item = Item(
            item_id=item_id_of(process.process_id, 0),
            process_id=process.process_id,
            tenant_id=process.tenant_id,
            capability=request.job_type,
            queue=QUEUE_JOBS + request.job_type,
            attempts_max=terms.attempts_max,
        )
        return accepted, lifecycle.plan(accepted.process, [item], now_ms)

    return await engine.ledger.submit(process, make, items=1)


def _process(
    engine: Engine, caller: Caller, request: JobRequest, terms: JobTerms, now_ms: int
) -> Process:
    return Process(
        process_id=engine.new_id(now_ms),
        tenant_id=caller.tenant_id,
        namespace=request.namespace,
        process_type=request.job_type,
        system=request.system,
        request_id=request.request_id,
        created_ms=now_ms,
        request=Request(
            face=FACE,
            inputs=request.inputs,
            requested_by=request.requested_by,
            fingerprint=request.fingerprint,
            attempts_max=terms.attempts_max,
            lost_max=LOST_MAX,
            time_limit_ms=terms.time_limit_ms,
            on_interrupted=terms.on_interrupted,
        ),
    )


async def _terms(engine: Engine, caller: Caller, request: JobRequest) -> JobTerms:
    """Of a type known here, or only to a worker: then the worker looks at the input."""
    try:
        one = registry.find(request.job_type)
    except registry.JobTypeUnknown as unknown:
        terms = await _a_workers_terms(engine, caller, request.job_type)
        if terms is None:
            raise Invalid("/type", str(unknown)) from None
        return terms
    try:
        inputs = registry.decoded(one, bytes(request.inputs))
    except registry.InputInvalid as refusal:
        raise Invalid("/input", str(refusal)) from None
    return JobTerms(
        one.name,
        registry.attempts_max(one, inputs),
        registry.time_limit_ms(one, inputs),
        one.on_interrupted,
    )


async def _a_workers_terms(engine: Engine, caller: Caller, job_type: str) -> JobTerms | None:
    found = await engine.store.connection.fetch(
        "lane_for", tenant_id=caller.tenant_id, pattern=like(text_of(job_type))
    )
    known = decode(found[0][0], type=list[JobTerms]) if found else []
    return next((terms for terms in known if terms.name == job_type), None)


async def draft_of(engine: Engine, process: Process) -> Any:
    """What a person is asked about, as plain JSON values; None when nobody is asked."""
    if process.state is not State.WAITING:
        return None
    item_id = item_id_of(process.process_id, 0)
    text = (await engine.store.notes([item_id])).get((item_id, "draft"))
    return None if text is None else decode(text)


async def review_job(
    engine: Engine, caller: Caller, process_id: str, decision: Decision
) -> Process:
    """Decide about a draft; the job goes on with it. Raises NotFound, WrongState."""
    item_id = item_id_of(process_id, 0)
    return await review_item(engine, caller, process_id, item_id, decision)


async def review_item(
    engine: Engine, caller: Caller, process_id: str, item_id: str, decision: Decision
) -> Process:
    """As `review_job`, for the item that waits."""
    found = (await engine.store.items([item_id])).get(item_id)
    if found is None:
        raise NotFound
    notes = await engine.store.notes([item_id])
    decided = decode(notes.get((item_id, "decision"), "[]"), type=list[Decision])
    kept = Raw(encode([*decided, decision]))

    def decide(process: Process, items: Sequence[Item], now_ms: int) -> Change:
        if process.tenant_id != caller.tenant_id or not items:
            raise NotFound
        if items[0].attempt != found.attempt:
            raise WrongState("another draft waits by now")
        return lifecycle.review(
            process, items[0], decision=kept, word=decision.decision, now_ms=now_ms
        )

    return (await engine.ledger.change(process_id, decide, (item_id,))).process
