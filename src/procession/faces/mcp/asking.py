"""Tools that ask a person: each makes a form, opens a task with a link, and may wait for it."""

from __future__ import annotations

from typing import Any

from msgspec.json import encode

from procession.assigning import Asking, ask_for
from procession.core.errors import Forbidden, Invalid
from procession.faces.mcp import messages as m
from procession.faces.mcp.answers import TaskShown
from procession.faces.mcp.task_views import shown
from procession.faces.mcp.tools import Call
from procession.faces.mcp.waiting import task_ended
from procession.faces.mcp.words import TASKS_READ
from procession.forms.blocks import TITLE_CHARS_MAX
from procession.forms.definition import parse_definition

Form = dict[str, Any]

_KINDS = {"line": "text", "text": "textarea", "number": "number"}
_COMMENT = {"name": "comment", "label": "Comment", "kind": "textarea", "required": False}
_APPROVAL = {"approve": "Approve", "reject": "Reject"}
_REVIEW = {
    "approve": "Approve",
    "request_changes": "Request changes",
    "reject": "Reject",
}


async def ask_question(call: Call, given: m.AskQuestion) -> TaskShown:
    field = {"name": "answer", "label": given.question[:500], "kind": _KINDS[given.answer]}
    return await _ask(call, given, _form(given, given.question, [], [field]))


async def ask_approval(call: Call, given: m.AskApproval) -> TaskShown:
    return await _ask(call, given, _form(given, given.question, [], [_one_of(_APPROVAL), _COMMENT]))


async def ask_choice(call: Call, given: m.AskChoice) -> TaskShown:
    options = {option: option for option in given.options}
    if len(options) < len(given.options):
        raise Invalid("/options", "must all be different")
    choice = _one_of(options) | {"name": "choice", "label": given.question[:500]}
    return await _ask(call, given, _form(given, given.question, [], [choice, _COMMENT]))


async def ask_for_review(call: Call, given: m.AskForReview) -> TaskShown:
    text = {"type": "mdsvex", "content": given.content}
    form = _form(given, given.question, [text], [_one_of(_REVIEW), _COMMENT])
    return await _ask(call, given, form)


async def create_task(call: Call, given: m.CreateTask) -> TaskShown:
    form = {"title": given.title, "steps": given.steps}
    if given.instructions_mdsvex:
        form["instructions_mdsvex"] = given.instructions_mdsvex
    return await _ask(call, given, form, given.task_id, given.template_id)


def _form(given: Any, question: str, blocks: list[Form], fields: list[Form]) -> Form:
    """A form of one step; what was given to know stands above the question."""
    title = given.title or question[:TITLE_CHARS_MAX].splitlines()[0]
    texts = [text for text in (given.context, question) if text]
    said = [{"type": "mdsvex", "content": text} for text in texts]
    asked = [{"type": "input", "field": field} for field in fields]
    step = {"id": "answer", "title": title, "blocks": [*said, *blocks, *asked]}
    return {"title": title, "steps": [step]}


def _one_of(options: dict[str, str]) -> Form:
    choices = [{"value": value, "label": label} for value, label in options.items()]
    return {"name": "decision", "label": "Decision", "kind": "select", "options": choices}


async def _ask(
    call: Call,
    given: Any,
    form: Form,
    task_id: str | None = None,
    template_id: str | None = None,
) -> TaskShown:
    """Raises FormInvalid, Invalid, NotFound, Forbidden, RequestReused, Overloaded."""
    if given.wait_seconds and TASKS_READ not in call.caller.scopes:
        raise Forbidden(f"to wait needs the scope {TASKS_READ}")
    if given.process_id is not None and given.process_step is None:
        raise Invalid("/process_step", "is needed with process_id: the step the answer completes")
    asking = Asking(
        definition=parse_definition(encode(form)),
        task_id=task_id.lower() if task_id else None,
        assignee_email=given.assignee_email,
        assignee_name=given.assignee_name or "",
        template_id=template_id,
        correlation_key=given.correlation_key,
        metadata=given.metadata,
        process_id=given.process_id,
        process_step=given.process_step,
        expires_in_s=given.expires_in,
    )
    asked = await ask_for(call.engine, call.caller, asking)
    task = asked.task
    if given.wait_seconds:
        task = await task_ended(call, task.task_id, given.wait_seconds)
    return await shown(call, task, waited=given.wait_seconds > 0)
