"""Tools about tasks that were asked: follow one, list them, cancel one."""

from __future__ import annotations

from procession import inbox, tasks, tracking
from procession.core.errors import NotFound
from procession.faces.mcp import messages as m
from procession.faces.mcp.answers import TaskList, TaskShown
from procession.faces.mcp.task_views import line, shown
from procession.faces.mcp.tools import Call
from procession.faces.mcp.waiting import task_ended

REASON = "cancelled through MCP"


async def get_task(call: Call, given: m.OneTask) -> TaskShown:
    return await shown(call, await tasks.find_task(call.engine, call.caller, given.task_id))


async def wait_for_task(call: Call, given: m.WaitForTask) -> TaskShown:
    task = await task_ended(call, given.task_id, given.timeout_seconds)
    return await shown(call, task, waited=True)


async def cancel_task(call: Call, given: m.CancelTask) -> TaskShown:
    task = await tasks.find_task(call.engine, call.caller, given.task_id)
    task = await tasks.cancel_task(call.engine, call.caller, task, given.reason or REASON)
    return await shown(call, task)


async def list_tasks(call: Call, given: m.ListTasks) -> TaskList:
    process_id = ""
    if given.process_id is not None:
        try:
            process = await tracking.find_any(call.engine, call.caller, given.process_id)
        except NotFound:
            return TaskList(tasks=[], total=0, limit=given.limit, offset=given.offset)
        process_id = process.process_id
    sought = inbox.Sought(
        state=given.status or "",
        search=given.search,
        process_id=process_id,
        correlation_key=given.correlation_key or "",
    )
    page = await inbox.page_tasks(
        call.engine, call.caller, sought, limit=given.limit, offset=given.offset
    )
    return TaskList(
        tasks=[line(task) for task in page.tasks],
        total=page.total,
        limit=given.limit,
        offset=given.offset,
    )
