"""What the tools take; every limit and description stands in the schema a model is shown."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from procession.faces.mcp.words import WAIT_S_MAX

Title = Annotated[str, Meta(min_length=1, max_length=200, description="Short title, one line.")]
Wording = Annotated[
    str, Meta(min_length=1, max_length=2_000, description="What is asked, in plain words.")
]
Context = Annotated[
    str,
    Meta(
        max_length=20_000,
        description="What the person must know to answer, as Markdown; HTML is not shown.",
    ),
]
WaitSeconds = Annotated[
    int,
    Meta(
        ge=0,
        le=WAIT_S_MAX,
        description="How many seconds to wait for the end; 0 returns at once. When they are over"
        " first, the answer says timed_out, and the wait may be repeated.",
    ),
]
TaskId = Annotated[
    str, Meta(min_length=1, max_length=100, description="The task_id of the task, a UUID.")
]
ProcessId = Annotated[
    str, Meta(min_length=1, max_length=100, description="The process_id of the process, a UUID.")
]
Reason = Annotated[str, Meta(max_length=500, description="Why, for whoever reads it later.")]
Metadata = Annotated[
    dict[
        Annotated[str, Meta(min_length=1, max_length=100)],
        Annotated[str, Meta(max_length=500)],
    ],
    Meta(max_length=50, description="Texts to find it by later: a key and a value each."),
]
Email = Annotated[
    str,
    Meta(
        min_length=3,
        max_length=254,
        description="Who is asked: a member, else somebody outside, who proves it by a code.",
    ),
]
PersonName = Annotated[str, Meta(max_length=200, description="The name of who is asked.")]
Key = Annotated[
    str, Meta(min_length=1, max_length=200, description="A key of yours, to find the task by.")
]
ExpiresIn = Annotated[
    int, Meta(ge=60, le=2_592_000, description="Seconds until nobody is asked any more.")
]
AboutProcess = Annotated[
    str, Meta(min_length=1, max_length=100, description="A process one of whose steps this is.")
]
AboutStep = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=100,
        description="The key of that step, which the answer completes; with process_id.",
    ),
]
OwnId = Annotated[
    str,
    Meta(
        pattern="^[0-9a-fA-F]{8}-([0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}$",
        description="A UUID of your own: to create it twice is then refused.",
    ),
]
Template = Annotated[str, Meta(min_length=1, max_length=200, description="What kind it is of.")]
Percent = Annotated[float, Meta(ge=0, le=100, description="How far a step has come.")]
Message = Annotated[str, Meta(max_length=2_000, description="What a step is doing.")]
TaskStatus = Annotated[
    Literal["pending", "completed", "cancelled", "failed"],
    Meta(description="Only those with this status."),
]
ProcessStatus = Annotated[
    Literal["running", "completed", "failed"], Meta(description="Only those with this status.")
]
Search = Annotated[
    str, Meta(max_length=200, description="Only those whose title or name has this.")
]
Limit = Annotated[int, Meta(ge=1, le=200, description="How many to list.")]
Offset = Annotated[int, Meta(ge=0, le=10_000, description="How many to leave out first.")]


class _Task(Struct, kw_only=True):
    """What every way to ask a person takes."""

    assignee_email: Email | None = None
    assignee_name: PersonName | None = None
    correlation_key: Key | None = None
    expires_in: ExpiresIn | None = None
    process_id: AboutProcess | None = None
    process_step: AboutStep | None = None
    metadata: Metadata = {}
    wait_seconds: WaitSeconds = 0


class _Asking(_Task, kw_only=True):
    """A task whose form follows from the question."""

    title: Annotated[str, Meta(max_length=200, description="Short title; else the question.")] = ""
    context: Context = ""


class AskQuestion(_Asking, kw_only=True):
    """A question that is answered in free text, or with a number."""

    question: Wording
    answer: Annotated[
        Literal["line", "text", "number"],
        Meta(description="One line, several lines of text, or a number."),
    ] = "text"


class AskApproval(_Asking, kw_only=True):
    """Something to be approved or rejected."""

    question: Wording


class AskChoice(_Asking, kw_only=True):
    """One of several options."""

    question: Wording
    options: Annotated[
        list[Annotated[str, Meta(min_length=1, max_length=200)]],
        Meta(min_length=2, max_length=50, description="The options, each a different text."),
    ]


class AskForReview(_Asking, kw_only=True):
    """A text to be looked through."""

    question: Annotated[
        str, Meta(max_length=2_000, description="What to look for, in plain words.")
    ] = "Please review this."
    content: Annotated[
        str,
        Meta(min_length=1, max_length=20_000, description="What is to be reviewed, as Markdown."),
    ]


class CreateTask(_Task, kw_only=True):
    """A task with a form of its own."""

    title: Title
    steps: Annotated[
        list[dict[str, Any]],
        Meta(
            min_length=1,
            max_length=50,
            description="Pages of the form: {id, title, description_mdsvex?, blocks}. A block is"
            " {type: input, field: {name, label, kind, required?}} with kind text, textarea,"
            " number, select (options), checkbox, file or signature; or {type: mdsvex, content},"
            " {type: table, columns, rows}, {type: callout, content}, {type: image, url},"
            " {type: pdf, url}, {type: download, url}.",
        ),
    ]
    instructions_mdsvex: Context = ""
    task_id: OwnId | None = None
    template_id: Template | None = None


class OneTask(Struct, kw_only=True):
    """A task by its id."""

    task_id: TaskId


class WaitForTask(Struct, kw_only=True):
    """A task, and how long to wait for it."""

    task_id: TaskId
    timeout_seconds: WaitSeconds = WAIT_S_MAX


class CancelTask(Struct, kw_only=True):
    """A task that nobody need answer any more."""

    task_id: TaskId
    reason: Reason = ""


class ListTasks(Struct, kw_only=True):
    """Which tasks to list."""

    status: TaskStatus | None = None
    search: Search = ""
    correlation_key: Key | None = None
    process_id: AboutProcess | None = None
    limit: Limit = 50
    offset: Offset = 0


class StepGiven(Struct, kw_only=True):
    """A step of a process to be tracked."""

    key: Annotated[str, Meta(min_length=1, max_length=100, description="Unique in the process.")]
    label: Annotated[str, Meta(min_length=1, max_length=200, description="As people read it.")]
    human: Annotated[bool, Meta(description="A person does it.")] = False
    continue_on_failure: Annotated[
        bool, Meta(description="Its failure does not fail the process.")
    ] = False


class SubmitProcess(Struct, kw_only=True):
    """A process whose steps are reported as they happen."""

    name: Annotated[str, Meta(min_length=1, max_length=200, description="As people read it.")]
    steps: Annotated[
        list[StepGiven], Meta(min_length=1, max_length=200, description="In their order.")
    ]
    namespace: Annotated[
        str,
        Meta(
            pattern="^[A-Za-z0-9.-]{1,100}$",
            description="Where it belongs: letters, digits, dots, hyphens.",
        ),
    ] = "default"
    description: Annotated[str, Meta(max_length=2_000, description="What it is about.")] = ""
    process_id: OwnId | None = None
    template_id: Template | None = None
    metadata: Metadata = {}


class UpdateProcess(Struct, kw_only=True):
    """What happened to a process, or to one of its steps."""

    process_id: ProcessId
    type: Annotated[
        Literal["step_started", "step_completed", "step_failed", "progress", "completed", "failed"],
        Meta(description="What happened; the first four are about `step`."),
    ]
    step: Annotated[str, Meta(max_length=100, description="The key of the step.")] = ""
    detail: Annotated[str, Meta(max_length=2_000, description="A word on a step.")] = ""
    message: Message | None = None
    percent: Percent | None = None
    error: Annotated[str, Meta(max_length=2_000, description="Why it failed.")] = ""
    summary: Annotated[str, Meta(max_length=5_000, description="What came of the process.")] = ""


class OneProcess(Struct, kw_only=True):
    """A process by its id."""

    process_id: ProcessId


class WaitForProcess(Struct, kw_only=True):
    """A process, and how long to wait for it."""

    process_id: ProcessId
    timeout_seconds: WaitSeconds = WAIT_S_MAX


class CancelProcess(Struct, kw_only=True):
    """A process to be stopped."""

    process_id: ProcessId
    reason: Reason = ""


class ListProcesses(Struct, kw_only=True):
    """Which processes to list."""

    status: ProcessStatus | None = None
    namespace: Annotated[str, Meta(max_length=300, description="Only those in this namespace.")] = (
        ""
    )
    search: Search = ""
    limit: Limit = 50
    offset: Offset = 0
