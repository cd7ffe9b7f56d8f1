"""Every tool there is, as a model is shown it."""

from __future__ import annotations

from procession.faces.mcp import answers, asked, asking
from procession.faces.mcp import messages as m
from procession.faces.mcp.tools import Tool
from procession.faces.mcp.words import TASKS_CREATE, TASKS_READ

_LATER = (
    " Returns at once with status pending, a task_id, and a url to give to the person, unless"
    " wait_seconds says to wait; follow it with wait_for_task."
)

_ASKING = [
    Tool(
        name="ask_question",
        title="Ask a person a question",
        description="Ask a person a question that is answered in words or with a number; the"
        " answer is data.answer." + _LATER,
        takes=m.AskQuestion,
        gives=answers.TaskShown,
        scope=TASKS_CREATE,
        run=asking.ask_question,
        open_world=True,
    ),
    Tool(
        name="ask_approval",
        title="Ask a person to approve",
        description="Ask a person to approve or reject something before you do it; data.decision"
        " is approve or reject, data.comment what they add." + _LATER,
        takes=m.AskApproval,
        gives=answers.TaskShown,
        scope=TASKS_CREATE,
        run=asking.ask_approval,
        open_world=True,
    ),
    Tool(
        name="ask_choice",
        title="Ask a person to choose",
        description="Let a person choose one of several options; data.choice is the option as you"
        " wrote it, data.comment what they add." + _LATER,
        takes=m.AskChoice,
        gives=answers.TaskShown,
        scope=TASKS_CREATE,
        run=asking.ask_choice,
        open_world=True,
    ),
    Tool(
        name="ask_for_review",
        title="Ask a person to review a text",
        description="Show a person a text and ask what they think of it; data.decision is approve,"
        " request_changes or reject, data.comment what they add." + _LATER,
        takes=m.AskForReview,
        gives=answers.TaskShown,
        scope=TASKS_CREATE,
        run=asking.ask_for_review,
        open_world=True,
    ),
    Tool(
        name="create_task",
        title="Create a task with a form",
        description="Give a person a task with a form of several pages and fields of many kinds;"
        " data has an answer a field. For one question take an ask_ tool." + _LATER,
        takes=m.CreateTask,
        gives=answers.TaskShown,
        scope=TASKS_CREATE,
        run=asking.create_task,
        open_world=True,
    ),
]

_ASKED = [
    Tool(
        name="wait_for_task",
        title="Wait for a task",
        description="Wait until a person has completed a task, or it was cancelled or failed. Says"
        " every few seconds that it still waits; may be repeated, and cancelled.",
        takes=m.WaitForTask,
        gives=answers.TaskShown,
        scope=TASKS_READ,
        run=asked.wait_for_task,
        read_only=True,
        idempotent=True,
    ),
    Tool(
        name="get_task",
        title="Look at a task",
        description="How a task stands now, with its answers once it is completed.",
        takes=m.OneTask,
        gives=answers.TaskShown,
        scope=TASKS_READ,
        run=asked.get_task,
        read_only=True,
        idempotent=True,
    ),
    Tool(
        name="list_tasks",
        title="List tasks",
        description="What people were asked, newest first: forms, drafts of jobs to review, and"
        " runs that were interrupted.",
        takes=m.ListTasks,
        gives=answers.TaskList,
        scope=TASKS_READ,
        run=asked.list_tasks,
        read_only=True,
        idempotent=True,
    ),
    Tool(
        name="cancel_task",
        title="Cancel a task",
        description="Ask no longer. Only a pending task can be cancelled. Cancelling a review or"
        " an interruption cancels the process it belongs to.",
        takes=m.CancelTask,
        gives=answers.TaskShown,
        scope=TASKS_CREATE,
        run=asked.cancel_task,
        destructive=True,
        open_world=True,
    ),
]

TOOLS = {tool.name: tool for tool in [*_ASKING, *_ASKED]}
