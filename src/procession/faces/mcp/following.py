"""Tools about processes: submit one, say what happened, follow, list, cancel and retry them."""

from __future__ import annotations

from msgspec import UNSET, Raw, structs
from msgspec.json import encode

from procession import operations, tracked, tracking
from procession.core.errors import Invalid
from procession.core.process import EMPTY, Process
from procession.core.reported import StepDef
from procession.faces.mcp import messages as m
from procession.faces.mcp.answers import ProcessFollowed
from procession.faces.mcp.tools import Call
from procession.faces.mcp.waiting import process_ended
from procession.faces.steps.processes_answers import ProcessList
from procession.faces.steps.processes_views import listed, shown
from procession.faces.steps.words import STATES, own_namespace
from procession.store.tracking_lists import Wanted

REASON = "cancelled through MCP"
_ABOUT_A_STEP = frozenset({"step_started", "step_completed", "step_failed", "progress"})
_NEEDS_ERROR = frozenset({"step_failed", "failed"})


async def submit_process(call: Call, given: m.SubmitProcess) -> ProcessFollowed:
    if len({step.key for step in given.steps}) < len(given.steps):
        raise Invalid("/steps", "must all have different keys")
    namespace = own_namespace(call.caller.tenant_id, given.namespace)
    if not namespace:
        raise Invalid("/namespace", "names only the organization")
    definition = tracking.Definition(
        given.name,
        tuple(
            StepDef(step.key, step.label, step.human, step.continue_on_failure)
            for step in given.steps
        ),
        given.description,
        given.template_id or "",
        given.metadata,
    )
    process = await tracking.track(
        call.engine,
        call.caller,
        definition,
        namespace=namespace,
        process_id=given.process_id and given.process_id.lower(),
    )
    return await _followed(call, process)


async def update_process(call: Call, given: m.UpdateProcess) -> ProcessFollowed:
    if given.type in _ABOUT_A_STEP and not given.step:
        raise Invalid("/step", f"is needed: {given.type} is about a step")
    if given.type in _NEEDS_ERROR and not given.error:
        raise Invalid("/error", f"is needed: {given.type} says why")
    process = await tracked.find_process(call.engine, call.caller, given.process_id)
    update = tracking.Update(
        kind=given.type,
        step=given.step,
        detail=given.detail,
        error=given.error,
        message=given.message,
        percent=given.percent,
        summary=Raw(encode(given.summary)) if given.summary else EMPTY,
    )
    process = await tracking.report(call.engine, call.caller, process.process_id, update)
    return await _followed(call, process)


async def get_process(call: Call, given: m.OneProcess) -> ProcessFollowed:
    return await _followed(call, await _find(call, given.process_id))


async def wait_for_process(call: Call, given: m.WaitForProcess) -> ProcessFollowed:
    process = await _find(call, given.process_id)
    process = await process_ended(call, process, given.timeout_seconds)
    return structs.replace(await _followed(call, process), timed_out=not process.final)


async def list_processes(call: Call, given: m.ListProcesses) -> ProcessList:
    found = await tracked.list_processes(
        call.engine,
        call.caller,
        Wanted(
            states=STATES[given.status] if given.status else (),
            namespace=own_namespace(call.caller.tenant_id, given.namespace),
            search=given.search,
        ),
        offset=given.offset,
        limit=given.limit,
    )
    tasks = await tracked.tasks_of(call.engine, found.processes)
    return ProcessList(
        processes=[listed(one, tasks[one.process_id]) for one in found.processes],
        total=found.counted.total,
        limit=given.limit,
        offset=given.offset,
        total_is_estimate=UNSET if found.counted.exact else True,
    )


async def cancel_process(call: Call, given: m.CancelProcess) -> ProcessFollowed:
    reason = given.reason or REASON
    process = await tracked.cancel_process(call.engine, call.caller, given.process_id, reason)
    return await _followed(call, process)


async def retry_process(call: Call, given: m.OneProcess) -> ProcessFollowed:
    process = await _find(call, given.process_id)
    return await _followed(
        call, await operations.retry(call.engine, call.caller, process.process_id)
    )


async def _find(call: Call, process_id: str) -> Process:
    """Raises NotFound."""
    return await tracked.find_process(call.engine, call.caller, process_id)


async def _followed(call: Call, process: Process) -> ProcessFollowed:
    seen = await shown(call.engine, process)
    return ProcessFollowed(**structs.asdict(seen))
