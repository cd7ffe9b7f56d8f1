"""What each tool takes, does, answers and refuses, with the SDK's own client over HTTP."""

from __future__ import annotations

import asyncio
import json
from typing import Any
from uuid import uuid4

import pytest
from jobs_by_hand import JobWorker
from jsonschema import Draft202012Validator
from living_server import OURS, THEIRS, Api, Living
from mcp.shared.exceptions import MCPError
from mcp_by_hand import MODES, done, give_token, model, names_of, refused

TASKS_CREATE = {"ask_question", "ask_approval", "ask_choice", "ask_for_review", "create_task"}
TASKS_CREATE |= {"cancel_task"}
TASKS_READ = {"wait_for_task", "get_task", "list_tasks"}
PROCESSES_READ = {"get_process", "list_processes", "wait_for_process"}
PROCESSES_WRITE = {"submit_process", "update_process", "cancel_process", "retry_process"}
READING = TASKS_READ | PROCESSES_READ
ALL = TASKS_CREATE | PROCESSES_WRITE | READING
STEPS = [{"key": "build", "label": "Build"}, {"key": "sign", "label": "Sign", "human": True}]


def complete(api: Api, task: dict[str, Any], data: dict[str, Any]) -> None:
    answer = api.post(f"/api/v1/tasks/{task['task_id']}/complete", {"data": data})
    assert answer.status == 200, answer


@pytest.mark.parametrize("mode", MODES)
def test_every_tool_is_listed_with_its_schemas_and_hints(server: Living, mode: str) -> None:
    async def run() -> None:
        async with model(server.port, mode=mode) as client:
            tools = {tool.name: tool for tool in (await client.list_tools()).tools}
            assert tools.keys() == ALL
            assert client.instructions is not None and "wait_for_task" in client.instructions
        for name, tool in tools.items():
            assert tool.output_schema is not None and tool.annotations is not None
            for schema in (tool.input_schema, tool.output_schema):
                Draft202012Validator.check_schema(schema)
                assert schema["type"] == "object"
            for field in tool.input_schema["properties"].values():
                assert field.get("description") or "$ref" in field
            assert tool.title and tool.description
            assert tool.annotations.read_only_hint is (name in READING)
            destructive = name in {"cancel_task", "cancel_process"}
            assert tool.annotations.destructive_hint is destructive
            assert tool.annotations.idempotent_hint is (
                name in READING | {"update_process", "cancel_process"}
            )

    asyncio.run(run())


@pytest.mark.parametrize(
    ("name", "arguments", "answer"),
    [
        ("ask_question", {"question": "Which colour?", "answer": "line"}, {"answer": "blue"}),
        ("ask_question", {"question": "How many?", "answer": "number"}, {"answer": 7}),
        ("ask_approval", {"question": "Ship?", "context": "**v2**"}, {"decision": "approve"}),
        (
            "ask_choice",
            {"question": "Where?", "options": ["Here", "There"]},
            {"choice": "There", "comment": "nearer"},
        ),
        ("ask_for_review", {"content": "# Draft\n\nDear all"}, {"decision": "request_changes"}),
        (
            "create_task",
            {
                "title": "Invoice",
                "steps": [
                    {
                        "id": "one",
                        "title": "One",
                        "blocks": [
                            {
                                "type": "input",
                                "field": {"name": "sum", "label": "Sum", "kind": "number"},
                            }
                        ],
                    }
                ],
            },
            {"sum": 12.5},
        ),
    ],
)
def test_what_is_asked_is_answered(
    server: Living, api: Api, name: str, arguments: dict[str, Any], answer: dict[str, Any]
) -> None:
    async def run() -> None:
        async with model(server.port) as client:
            task = await done(client, name, **arguments, correlation_key="k", metadata={"a": "b"})
            assert task["status"] == "pending" and "data" not in task
            assert task["url"].startswith(f"http://127.0.0.1:{server.port}/t/")
            assert await done(client, "get_task", task_id=task["task_id"]) == task
            await asyncio.to_thread(complete, api, task, answer)
            ended = await done(client, "wait_for_task", task_id=task["task_id"])
            assert ended["status"] == "completed" and ended["timed_out"] is False
            assert ended["data"] == answer
            assert "url" not in ended

    asyncio.run(run())


def test_a_form_that_breaks_a_rule_is_refused_with_every_place(server: Living) -> None:
    async def run() -> None:
        async with model(server.port) as client:
            steps = [{"id": "one", "title": "", "blocks": [{"type": "nothing"}]}]
            said = await refused(client, "create_task", title="T", steps=steps)
            assert said.startswith("Validation failed: ")
            assert "steps[0].title" in said and "steps[0].blocks[0].type" in said
            said = await refused(client, "ask_choice", question="", options=["a"])
            assert "/question" in said and "/options" in said
            said = await refused(client, "ask_choice", question="Q", options=["a", "a"])
            assert "/options" in said
            said = await refused(client, "ask_question", question="Q", process_step="x")
            assert "/process_step" in said
            said = await refused(client, "ask_question", question="Q", wait_seconds=301)
            assert "/wait_seconds" in said
            said = await refused(client, "wait_for_task", task_id="x", timeout_seconds=-1)
            assert "/timeout_seconds" in said
            said = await refused(client, "ask_question", question="Q", assignee_email="nobody")
            assert "/assignee_email" in said

    asyncio.run(run())


def test_tasks_are_listed_cancelled_and_not_cancelled_twice(server: Living) -> None:
    async def run() -> None:
        async with model(server.port) as client:
            key = str(uuid4())
            one = await done(client, "ask_question", question="One?", correlation_key=key)
            two = await done(client, "ask_question", question="Two?", correlation_key=key)
            listed = await done(client, "list_tasks", correlation_key=key)
            assert [task["task_id"] for task in listed["tasks"]] == [two["task_id"], one["task_id"]]
            assert (listed["total"], listed["limit"], listed["offset"]) == (2, 50, 0)
            cancelled = await done(client, "cancel_task", task_id=one["task_id"], reason="late")
            assert (cancelled["status"], cancelled["reason"]) == ("cancelled", "late")
            said = await refused(client, "cancel_task", task_id=one["task_id"])
            assert said == "Task is not pending"
            pending = await done(client, "list_tasks", correlation_key=key, status="pending")
            assert [task["task_id"] for task in pending["tasks"]] == [two["task_id"]]
            found = await done(client, "list_tasks", correlation_key=key, search="ONE", limit=1)
            assert [task["task_id"] for task in found["tasks"]] == [one["task_id"]]

    asyncio.run(run())


def test_an_answer_completes_the_step_it_belongs_to(server: Living, api: Api) -> None:
    async def run() -> None:
        async with model(server.port) as client:
            process = await done(client, "submit_process", name="Release", steps=STEPS)
            process_id = process["process_id"]
            assert [step["status"] for step in process["timeline"]] == ["pending", "pending"]
            await done(
                client, "update_process", process_id=process_id, type="step_completed", step="build"
            )
            task = await done(
                client,
                "ask_approval",
                question="Sign?",
                process_id=process_id,
                process_step="sign",
            )
            assert (task["process_id"], task["process_step"]) == (process_id, "sign")
            seen = await done(client, "get_process", process_id=process_id)
            assert seen["task_ids"] == [task["task_id"]]
            assert seen["timeline"][1]["task_id"] == task["task_id"]
            listed = await done(client, "list_tasks", process_id=process_id)
            assert [one["task_id"] for one in listed["tasks"]] == [task["task_id"]]
            await asyncio.to_thread(complete, api, task, {"decision": "approve"})
            ended = await done(client, "wait_for_process", process_id=process_id)
            assert (ended["status"], ended["timed_out"]) == ("completed", False)

    asyncio.run(run())


def test_a_process_fails_is_tried_again_listed_and_cancelled(server: Living) -> None:
    async def run() -> None:
        async with model(server.port) as client:
            own, name = str(uuid4()), f"Nightly {uuid4()}"
            given = {"name": name, "steps": STEPS, "namespace": "lab", "process_id": own}
            process = await done(client, "submit_process", **given, metadata={"k": "v"})
            assert process["process_id"] == own and process["namespace"].endswith(".lab")
            assert "has this process_id already" in await refused(client, "submit_process", **given)
            failed = await done(
                client,
                "update_process",
                process_id=own,
                type="step_failed",
                step="build",
                error="disk full",
            )
            assert (failed["status"], failed["error"]) == ("failed", "disk full")
            again = await done(client, "retry_process", process_id=own)
            assert again["status"] == "running"
            found = await done(client, "list_processes", search=name.upper(), namespace="lab")
            assert [one["process_id"] for one in found["processes"]] == [own]
            assert found["total"] == 1
            cancelled = await done(client, "cancel_process", process_id=own, reason="enough")
            assert (cancelled["status"], cancelled["error"]) == ("failed", "enough")
            assert cancelled["error_category"] == "cancelled"
            said = await refused(client, "update_process", process_id=own, type="completed")
            assert "cancelled already" in said

    asyncio.run(run())


def test_reports_say_what_is_missing(server: Living) -> None:
    async def run() -> None:
        async with model(server.port) as client:
            process = await done(client, "submit_process", name="P", steps=STEPS)
            said = {"process_id": process["process_id"]}
            assert "/step" in await refused(client, "update_process", type="progress", **said)
            assert "/error" in await refused(client, "update_process", type="failed", **said)
            text = await refused(client, "update_process", type="progress", step="x", **said)
            assert "no step of the process" in text
            twice = [STEPS[0], STEPS[0]]
            assert "/steps" in await refused(client, "submit_process", name="P", steps=twice)
            got = await done(
                client,
                "update_process",
                type="progress",
                step="build",
                percent=40,
                message="half",
                **said,
            )
            assert got["timeline"][0]["progress_percent"] == 40
            ended = await done(client, "update_process", type="completed", summary="ok", **said)
            assert ended["summary"] == "ok"

    asyncio.run(run())


@pytest.mark.parametrize(
    ("scopes", "names"),
    [
        (["tasks:create"], TASKS_CREATE),
        (["tasks:read"], TASKS_READ),
        (["processes:read"], PROCESSES_READ),
        (["processes:write"], PROCESSES_WRITE),
        (["tasks:read", "processes:read"], READING),
    ],
)
def test_a_token_sees_and_calls_what_its_scopes_allow(
    server: Living, scopes: list[str], names: set[str]
) -> None:
    token = give_token(server, f"{'-'.join(scopes)}-{uuid4()}".rjust(40, "x"), scopes)

    async def run() -> None:
        async with model(server.port, token) as client:
            assert await names_of(client) == names
            for name in sorted(ALL - names):
                said = await refused(client, name)
                assert said.startswith(f"Insufficient permissions: {name} needs the scope ")

    asyncio.run(run())


def test_to_ask_and_wait_needs_both_scopes(server: Living) -> None:
    token = give_token(server, f"asks-only-{uuid4()}", ["tasks:create"])

    async def run() -> None:
        async with model(server.port, token) as client:
            await done(client, "ask_question", question="Q")
            said = await refused(client, "ask_question", question="Q", wait_seconds=1)
            assert said == "Insufficient permissions: to wait needs the scope tasks:read"

    asyncio.run(run())


@pytest.mark.parametrize("how", [{"query": "?read_only=true"}, {"x_procession_read_only": "1"}])
def test_read_only_hides_and_refuses_what_changes_things(
    server: Living, how: dict[str, str]
) -> None:
    async def run() -> None:
        async with model(server.port, OURS, "auto", **how) as client:
            assert await names_of(client) == READING
            for name in sorted(ALL - READING):
                said = await refused(client, name)
                assert "this is read-only" in said
            await done(client, "list_tasks")

    asyncio.run(run())


def test_another_organizations_objects_are_as_if_they_were_not(server: Living) -> None:
    async def run() -> None:
        async with model(server.port) as ours, model(server.port, THEIRS) as theirs:
            key = str(uuid4())
            task = await done(ours, "ask_question", question="Ours?", correlation_key=key)
            process = await done(ours, "submit_process", name=key, steps=STEPS)
            for name in ("get_task", "wait_for_task", "cancel_task"):
                for task_id in (task["task_id"], str(uuid4()), "x"):
                    assert await refused(theirs, name, task_id=task_id) == "Task not found"
            for name in ("get_process", "wait_for_process", "cancel_process", "retry_process"):
                for process_id in (process["process_id"], str(uuid4()), "x"):
                    said = await refused(theirs, name, process_id=process_id)
                    assert said == "Process not found"
            about = {"process_id": process["process_id"], "process_step": "sign"}
            said = await refused(theirs, "ask_question", question="Q", **about)
            assert said == "Process not found"
            said = await refused(
                theirs, "update_process", type="completed", process_id=process["process_id"]
            )
            assert said == "Process not found"
            assert (await done(theirs, "list_tasks", correlation_key=key))["tasks"] == []
            listed = await done(theirs, "list_tasks", process_id=process["process_id"])
            assert listed["tasks"] == []
            assert (await done(theirs, "list_processes", search=key))["processes"] == []
            assert (await done(ours, "get_task", task_id=task["task_id"])) == task

    asyncio.run(run())


def test_a_file_that_a_person_gave_can_be_read(server: Living, api: Api) -> None:
    boundary = "mark"
    part = (
        'Content-Disposition: form-data; name="file"; filename="a.txt"\r\nContent-Type: text/plain'
    )
    sent = f"--{boundary}\r\n{part}\r\n\r\nwritten by hand\r\n--{boundary}--\r\n".encode()
    kind = f"multipart/form-data; boundary={boundary}"
    kept = api.send("POST", "/api/v1/files", sent, Content_Type=kind)
    assert kept.status == 201, kept
    field = {"name": "note", "label": "Note", "kind": "file"}
    steps = [{"id": "a", "title": "A", "blocks": [{"type": "input", "field": field}]}]

    async def run() -> dict[str, Any]:
        async with model(server.port) as client:
            task = await done(client, "create_task", title="Note", steps=steps)
            await asyncio.to_thread(complete, api, task, {"note": kept.json["key"]})
            return await done(client, "get_task", task_id=task["task_id"])

    entry = asyncio.run(run())["data"]["note"]
    entry = entry[0] if isinstance(entry, list) else entry
    assert (entry["name"], entry["size"]) == ("a.txt", 15)
    path = entry["url"].removeprefix(f"http://127.0.0.1:{server.port}")
    assert api.as_(None).get(path).body == b"written by hand"


def test_a_jobs_draft_is_in_the_same_inbox(server: Living, api: Api) -> None:
    job = JobWorker(api).at("waiting_review")

    async def run() -> None:
        async with model(server.port) as client:
            listed = await done(client, "list_tasks", status="pending", limit=200)
            draft = next(task for task in listed["tasks"] if task["kind"] == "review")
            task = await done(client, "get_task", task_id=draft["task_id"])
            process = await done(client, "get_process", process_id=task["process_id"])
            assert process["status"] == "running"
            wait = asyncio.create_task(
                client.call_tool("wait_for_task", {"task_id": task["task_id"]})
            )
            said = {"decision": "approve"}
            answer = await asyncio.to_thread(api.post, f"/api/processes/{job['id']}/review", said)
            assert answer.status == 200, answer
            found = (await wait).structured_content
            assert (found["status"], found["data"]) == ("completed", said)

    asyncio.run(run())


def test_an_unknown_tool_is_an_error_of_the_protocol(server: Living) -> None:
    async def run() -> None:
        async with model(server.port) as client:
            with pytest.raises(MCPError, match="there is no tool 'format_disk'") as said:
                await client.call_tool("format_disk", {})
            assert said.value.code == -32602

    asyncio.run(run())


def test_the_text_of_an_answer_is_its_structure(server: Living) -> None:
    async def run() -> None:
        async with model(server.port) as client:
            result = await client.call_tool("list_tasks", {"limit": 1})
            (content,) = result.content
            assert content.type == "text"
            assert json.loads(content.text) == result.structured_content

    asyncio.run(run())


def test_no_argument_makes_a_tool_fail(server: Living) -> None:
    odd: list[Any] = [None, "", "\n", " ", "\u202e<b>x", "x" * 3_000, -1, 1.5, 2**60, True]
    odd += [[], [None], ["a", "b"], {}, {"a": {"b": []}}]
    good = {
        "question": "Q",
        "options": ["a", "b"],
        "content": "text",
        "title": "T",
        "steps": STEPS,
        "name": "N",
        "task_id": str(uuid4()),
        "process_id": str(uuid4()),
        "type": "progress",
        "timeout_seconds": 0,
    }

    async def run() -> None:
        async with model(server.port) as client:
            tools = (await client.list_tools()).tools
            for number, tool in enumerate(tools):
                fields = tool.input_schema["properties"]
                given = {name: value for name, value in good.items() if name in fields}
                for place, field in enumerate(fields):
                    # Each value meets each kind of field in some tool.
                    for value in odd[(number + place) % 5 :: 5]:
                        result = await client.call_tool(tool.name, given | {field: value})
                        (content,) = result.content
                        assert content.type == "text"
                        assert "server failed" not in content.text, (tool.name, field, value)

    asyncio.run(run())
