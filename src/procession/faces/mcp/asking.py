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
from procession.forms.blocks import LABEL_CHARS_MAX, TITLE_CHARS_MAX
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
    field = {"name": "answer", "kind": _KINDS[given.answer]}
    return await _ask(call, given, _asking(given, field))


async def ask_approval(call: Call, given: m.AskApproval) -> TaskShown:
    return await _ask(call, given, _deciding(given, _APPROVAL))


async def ask_choice(call: Call, given: m.AskChoice) -> TaskShown:
    if len(set(given.options)) < len(given.options):
        raise Invalid("/options", "must all be different")
    field = {"name": "choice", "kind": "select", "options": given.options}
    return await _ask(call, given, _asking(given, field, _COMMENT))


async def ask_for_review(call: Call, given: m.AskForReview) -> TaskShown:
    return await _ask(call, given, _deciding(given, _REVIEW, given.content))


async def create_task(call: Call, given: m.CreateTask) -> TaskShown:
    form = {"title": given.title, "steps": given.steps}
    if given.instructions_mdsvex:
        form["instructions_mdsvex"] = given.instructions_mdsvex
    return await _ask(call, given, form, given.task_id, given.template_id)


def _asking(given: Any, field: Form, *more: Form) -> Form:
    """A form whose first field is the question itself, as far as a label holds it."""
    label = given.question[:LABEL_CHARS_MAX]
    texts = [given.context, given.question if len(label) < len(given.question) else ""]
    return _form(given, texts, [{**field, "label": label}, *more])


def _deciding(given: Any, options: dict[str, str], content: str = "") -> Form:
    """A form with a decision below what it is about."""
    choices = [{"value": value, "label": label} for value, label in options.items()]
    decision = {"name": "decision", "label": "Decision", "kind": "select", "options": choices}
    return _form(given, [given.context, given.question, content], [decision, _COMMENT])


def _form(given: Any, texts: list[str], fields: list[Form]) -> Form:
    """A form of one step: what there is to know, then what is asked."""
    title = given.title or " ".join(given.question.split())[:TITLE_CHARS_MAX]
    said = [{"type": "mdsvex", "content": text} for text in texts if text]
    asked = [{"type": "input", "field": field} for field in fields]
    step = {"id": "answer", "title": title, "blocks": [*said, *asked]}
    return {"title": title, "steps": [step]}


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
