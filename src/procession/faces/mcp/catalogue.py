"""Every tool there is, as a model is shown it."""

from __future__ import annotations

from procession.faces.mcp import answers, asked, asking, following
from procession.faces.mcp import messages as m
from procession.faces.mcp.tools import Tool
from procession.faces.mcp.words import PROCESSES_READ, PROCESSES_WRITE, TASKS_CREATE, TASKS_READ
from procession.faces.steps.processes_answers import ProcessList

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

_FOLLOWING = [
    Tool(
        name="submit_process",
        title="Start to track a process",
        description="Track work in several steps, so that people can follow it: say what the"
        " steps are, then report on them with update_process. A step with human: true is done by"
        " a person: give its key as process_step to an ask_ tool, and the answer completes it.",
        takes=m.SubmitProcess,
        gives=answers.ProcessFollowed,
        scope=PROCESSES_WRITE,
        run=following.submit_process,
    ),
    Tool(
        name="update_process",
        title="Report on a process",
        description="Say that a step of a tracked process started, got further, completed or"
        " failed, or that the whole did. Completing the last step completes the process. Repeated"
        " and late reports change nothing.",
        takes=m.UpdateProcess,
        gives=answers.ProcessFollowed,
        scope=PROCESSES_WRITE,
        run=following.update_process,
        idempotent=True,
    ),
    Tool(
        name="get_process",
        title="Look at a process",
        description="How a process stands now, with every step of it. Processes that phones or"
        " jobs run are found too.",
        takes=m.OneProcess,
        gives=answers.ProcessFollowed,
        scope=PROCESSES_READ,
        run=following.get_process,
        read_only=True,
        idempotent=True,
    ),
    Tool(
        name="list_processes",
        title="List processes",
        description="Processes, newest first, by status, namespace and a part of their name.",
        takes=m.ListProcesses,
        gives=ProcessList,
        scope=PROCESSES_READ,
        run=following.list_processes,
        read_only=True,
        idempotent=True,
    ),
    Tool(
        name="wait_for_process",
        title="Wait for a process",
        description="Wait until a process has completed or failed. Says every few seconds that it"
        " still waits; may be repeated, and cancelled.",
        takes=m.WaitForProcess,
        gives=answers.ProcessFollowed,
        scope=PROCESSES_READ,
        run=following.wait_for_process,
        read_only=True,
        idempotent=True,
    ),
    Tool(
        name="cancel_process",
        title="Cancel a process",
        description="End a process at once, with every step that has not ended; it shows as"
        " failed with the category cancelled. One that has ended otherwise cannot be cancelled.",
        takes=m.CancelProcess,
        gives=answers.ProcessFollowed,
        scope=PROCESSES_WRITE,
        run=following.cancel_process,
        destructive=True,
        idempotent=True,
    ),
    Tool(
        name="retry_process",
        title="Try a failed process again",
        description="Open a failed process again: of a tracked one every step that did not"
        " complete is pending, of any other what failed runs again.",
        takes=m.OneProcess,
        gives=answers.ProcessFollowed,
        scope=PROCESSES_WRITE,
        run=following.retry_process,
        open_world=True,
    ),
]

TOOLS = {tool.name: tool for tool in [*_ASKING, *_ASKED, *_FOLLOWING]}
