"""Tracked processes over HTTP: every row of the contract, and each of its refusals."""

from __future__ import annotations

import re
from typing import Any
from uuid import uuid4

import pytest
from jobs_by_hand import JobWorker
from living_server import Api
from requests_by_hand import enqueue, fresh
from steps_by_hand import (
    FORM,
    ROOT,
    STEPS,
    create,
    definition,
    faults,
    listed,
    org_of,
    read,
    update,
)
from worker_by_hand import Worker

from procession.core.states import ItemState, State
from procession.faces.steps.words import STATES, STATUS, STEP_STATUS

STAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


def test_every_state_has_a_word() -> None:
    assert set(STATUS) == set(State) and set(STEP_STATUS) == set(ItemState)
    assert set(STATES) == {"running", "completed", "failed"}
    assert sorted(sum(STATES.values(), ())) == sorted(State)


def test_a_process_is_created_with_its_organization_before_its_namespace(api: Api) -> None:
    process_id = str(uuid4())
    reply = api.post(ROOT, definition(process_id=process_id, namespace="lab.north-1", unknown=1))
    assert reply.status == 201
    assert list(reply.json) == ["process_id", "namespace", "name", "started_at"]
    assert reply.json["process_id"] == process_id
    assert reply.json["namespace"] == f"{org_of(api)}.lab.north-1"
    assert STAMP.fullmatch(reply.json["started_at"])
    assert reply.headers["location"] == f"{ROOT}/{process_id}"
    assert reply.headers["etag"] == '"v2"' and reply.headers["x-request-id"]
    assert read(api, process_id.upper())["process_id"] == process_id
    again = api.post(ROOT, definition(process_id=process_id.upper()))
    assert (again.status, again.json) == (409, {"error": "a process has this process_id already"})


def test_a_new_process_shows_every_step_and_leaves_out_what_is_absent(api: Api) -> None:
    shown = read(api, create(api))
    assert list(shown) == [
        *("process_id", "namespace", "name", "status", "current_step", "started_at"),
        *("task_ids", "step_defs", "timeline"),
    ]
    assert (shown["status"], shown["current_step"], shown["task_ids"]) == ("running", "plan", [])
    assert shown["step_defs"] == [
        {"key": step["key"], "label": step["label"], "human": step.get("human", False)}
        for step in STEPS
    ]
    assert shown["timeline"][1] == {
        "step": "sign",
        "label": "Sign",
        "status": "pending",
        "human": True,
    }


def test_what_was_given_is_shown(api: Api) -> None:
    given = {"description": "Why", "template_id": "ship", "metadata": {"env": "prod"}}
    shown = read(api, create(api, **given))
    assert {key: shown[key] for key in given} == given


def test_a_timeline_says_what_was_reported(api: Api) -> None:
    one = create(api)
    assert update(api, one, "step_started", step="plan", detail="by hand").status == 200
    update(api, one, "progress", step="plan", message="half", percent=50)
    shown = read(api, one)
    entry = shown["timeline"][0]
    assert list(entry) == [
        *("step", "label", "status", "human", "started_at"),
        *("detail", "progress_message", "progress_percent"),
    ]
    assert (entry["status"], entry["detail"]) == ("running", "by hand")
    assert (entry["progress_message"], entry["progress_percent"]) == ("half", 50)
    update(api, one, "step_completed", step="plan", data={"rows": [1, 2]})
    entry = read(api, one)["timeline"][0]
    assert entry["status"] == "completed" and entry["data"] == {"rows": [1, 2]}
    assert STAMP.fullmatch(entry["completed_at"]) and entry["duration_ms"] >= 0
    assert read(api, one)["current_step"] == "sign"


def test_an_update_is_answered_with_its_type_and_time(api: Api) -> None:
    one = create(api)
    reply = update(api, one, "step_started", step="sign", extra=True)
    assert (reply.status, reply.headers["etag"]) == (200, '"v3"')
    assert list(reply.json) == ["process_id", "update_type", "timestamp"]
    assert (reply.json["process_id"], reply.json["update_type"]) == (one, "step_started")
    assert STAMP.fullmatch(reply.json["timestamp"])


def test_the_last_step_completes_the_process_whatever_the_order(api: Api) -> None:
    one = create(api)
    for step in ("tell", "plan"):
        update(api, one, "step_completed", step=step)
    assert read(api, one)["status"] == "running"
    update(api, one, "step_completed", step="sign")
    shown = read(api, one)
    assert shown["status"] == "completed" and STAMP.fullmatch(shown["completed_at"])
    assert "current_step" not in shown and "error" not in shown


def test_a_failed_step_fails_the_process_unless_it_may(api: Api) -> None:
    one = create(api)
    update(api, one, "step_failed", step="tell", error="no mail")
    assert read(api, one)["status"] == "running"
    update(api, one, "step_failed", step="plan", error="no plan")
    shown = read(api, one)
    assert (shown["status"], shown["error"], shown["current_step"]) == ("failed", "no plan", "plan")
    assert shown["error_category"] == "step_failed"
    assert [entry["status"] for entry in shown["timeline"]] == ["failed", "cancelled", "failed"]
    assert shown["timeline"][0]["error"] == "no plan"


def test_late_and_repeated_updates_change_nothing(api: Api) -> None:
    one = create(api)
    update(api, one, "step_completed", step="plan")
    version = api.get(f"{ROOT}/{one}").headers["etag"]
    for kind, fields in (
        ("step_completed", {}),
        ("step_started", {}),
        ("progress", {"percent": 10}),
    ):
        assert update(api, one, kind, step="plan", **fields).status == 200
    assert api.get(f"{ROOT}/{one}").headers["etag"] == version
    assert update(api, one, "step_failed", step="plan", error="x").status == 409


def test_a_process_that_has_ended_takes_only_its_end_again(api: Api) -> None:
    done, lost = create(api), create(api)
    assert update(api, done, "completed").status == 200
    assert update(api, lost, "failed", error="gave up").status == 200
    assert update(api, done, "completed", summary={"rows": 3}).status == 200
    assert read(api, done)["summary"] == {"rows": 3}
    assert update(api, lost, "failed", error="again").status == 200
    assert read(api, lost)["error"] == "gave up"
    refused = [
        (done, "failed", {"error": "x"}),
        (lost, "completed", {}),
        *((one, "step_started", {"step": "plan"}) for one in (done, lost)),
        *((one, "step_completed", {"step": "plan"}) for one in (done, lost)),
        *((one, "progress", {"step": "plan"}) for one in (done, lost)),
        *((one, "step_failed", {"step": "plan", "error": "x"}) for one in (done, lost)),
    ]
    for one, kind, fields in refused:
        reply = update(api, one, kind, **fields)
        assert (reply.status, list(reply.json)) == (409, ["error"]), (kind, reply)


def test_a_cancel_ends_it_at_once_and_is_told_as_a_failure(api: Api) -> None:
    one = create(api)
    update(api, one, "step_started", step="plan")
    reply = api.post(f"{ROOT}/{one}/cancel", {"reason": "not needed"})
    assert reply.status == 200 and reply.json == read(api, one)
    assert (reply.json["status"], reply.json["error"]) == ("failed", "not needed")
    assert reply.json["error_category"] == "cancelled"
    assert {entry["status"] for entry in reply.json["timeline"]} == {"cancelled"}
    assert api.send("POST", f"{ROOT}/{one}/cancel").status == 200
    done = create(api)
    update(api, done, "completed")
    assert api.send("POST", f"{ROOT}/{done}/cancel").status == 409


def test_a_version_that_was_seen_is_not_sent_again(api: Api) -> None:
    one = f"{ROOT}/{create(api)}"
    assert api.get(one, If_None_Match='"v2"').status == 304
    assert api.get(one, If_None_Match='"v1"').status == 200


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"namespace": ""}, "namespace"),
        ({"namespace": "a b"}, "namespace"),
        ({"namespace": "x" * 101}, "namespace"),
        ({"namespace": None}, "namespace"),
        ({"name": ""}, "name"),
        ({"name": "x" * 201}, "name"),
        ({"steps": []}, "steps"),
        ({"steps": [{"key": "a"}]}, "steps[0].label"),
        ({"steps": [{"key": "", "label": "A"}]}, "steps[0].key"),
        ({"steps": [{"key": "a", "label": "A"}] * 2}, "steps[1].key"),
        ({"process_id": "nope"}, "process_id"),
        ({"metadata": {"a": 1}}, "metadata"),
        ({"metadata": []}, "metadata"),
        ({"template_id": 7}, "template_id"),
    ],
)
def test_a_definition_out_of_bounds_is_refused_by_field(
    api: Api, changes: dict[str, Any], field: str
) -> None:
    assert field in faults(api.post(ROOT, definition(**changes)))


@pytest.mark.parametrize(
    ("message", "field"),
    [
        ({}, "type"),
        ({"type": "done"}, "type"),
        ({"type": "step_started"}, "step"),
        ({"type": "step_completed", "step": "none"}, "step"),
        ({"type": "step_failed", "step": "plan"}, "error"),
        ({"type": "failed"}, "error"),
        ({"type": "progress", "step": "plan", "percent": 101}, "percent"),
        ({"type": "progress"}, "step"),
    ],
)
def test_an_update_out_of_bounds_is_refused_by_field(
    api: Api, message: dict[str, Any], field: str
) -> None:
    one = create(api)
    assert field in faults(api.post(f"{ROOT}/{one}/update", message))
    assert api.get(f"{ROOT}/{one}").headers["etag"] == '"v2"'


def test_lists_combine_every_filter(api: Api) -> None:
    mark = fresh("mark")
    org = org_of(api)
    made = [
        create(
            api,
            name=f"{mark} Größe {number}% of _",
            namespace=f"{mark}.{number % 2}",
            template_id=f"{mark}-{number % 3}",
            metadata={"mark": mark, "odd": str(number % 2)},
        )
        for number in range(8)
    ]
    update(api, made[0], "completed")
    update(api, made[1], "failed", error="x")
    whole = listed(api, f"search={mark.upper()}")
    assert list(whole) == ["processes", "total", "limit", "offset"]
    assert (whole["total"], whole["limit"], whole["offset"]) == (8, 50, 0)
    assert [one["process_id"] for one in whole["processes"]] == made[::-1]
    assert list(whole["processes"][0]) == [
        *("process_id", "namespace", "name", "status", "current_step", "started_at"),
        *("step_count", "task_ids"),
    ]
    for query, numbers in {
        f"search={mark}&status=completed": [0],
        f"search={mark}&status=failed": [1],
        f"search={mark}&status=running&sort=oldest&limit=2&offset=1": [3, 4],
        f"namespace={mark}.1": [7, 5, 3, 1],
        f"namespace={org}.{mark}.1&limit=1": [7],
        f"template_id={mark}-2": [5, 2],
        f"meta.mark={mark}&meta.odd=1&sort=oldest": [1, 3, 5, 7],
        f"meta.mark={mark}&meta.odd=2": [],
        f"search={mark}%20GR%C3%96SSE": [],
        f"search={mark}%20GR%C3%96%C3%9FE%205%25%20of%20_": [5],
        f"meta.mark={mark}&search=%25": [7, 6, 5, 4, 3, 2, 1, 0],
        f"meta.mark={mark}&search=%22": [],
        f"meta.mark={mark}&search=7%25&status=running&namespace={mark}.1&template_id={mark}-1": [7],
        f"search={mark}&offset=8": [],
    }.items():
        found = listed(api, query)
        assert [one["process_id"] for one in found["processes"]] == [made[n] for n in numbers], (
            query
        )
    assert listed(api, f"search={mark}&limit=3")["total"] == 8


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("status=done", "status"),
        ("sort=name", "sort"),
        ("limit=0", "limit"),
        ("limit=201", "limit"),
        ("limit=x", "limit"),
        ("offset=-1", "offset"),
        ("search=%00", "search"),
        ("&".join(f"meta.{n}=x" for n in range(11)), "meta"),
    ],
)
def test_a_query_out_of_bounds_is_refused_by_field(api: Api, query: str, field: str) -> None:
    assert field in faults(api.get(f"{ROOT}?{query}"))


def test_templates_are_listed_once_each(api: Api) -> None:
    mark = fresh("template")
    for number in (2, 1, 2):
        create(api, template_id=f"{mark}-{number}")
    found = api.get(f"{ROOT}/templates").json["templates"]
    assert [one for one in found if one.startswith(mark)] == [f"{mark}-1", f"{mark}-2"]


def test_processes_of_other_faces_are_seen_here(api: Api) -> None:
    worker = JobWorker(api)
    job = worker.at("completed")
    shown = read(api, job["process_id"])
    assert (shown["name"], shown["status"]) == (worker.job_type, "completed")
    assert [entry["status"] for entry in shown["timeline"]] == ["completed"]
    assert shown["timeline"][0]["duration_ms"] >= 0 and shown["summary"] == {"rows": 3}
    found = listed(api, f"search={worker.job_type[2:].upper()}")
    assert [one["process_id"] for one in found["processes"]] == [job["process_id"]]
    request = enqueue(api).json["process_id"]
    assert read(api, request)["name"] == "echo"
    assert update(api, request, "completed").status == 409
    assert api.post(f"{ROOT}/{request}/cancel").json["error_category"] == "cancelled"


def test_a_fan_out_is_one_step_summed_up(api: Api) -> None:
    phones = [fresh("phone") for _ in range(3)]
    Worker(api, *phones, agent_id=fresh("agent")).register()
    reply = enqueue(api, target={"routing": "group", "phone_ids": phones})
    assert reply.status == 202, reply
    process_id = reply.json["process_id"]
    assert [entry["status"] for entry in read(api, process_id)["timeline"]] == ["pending"]
    shown = api.post(f"{ROOT}/{process_id}/cancel").json
    (entry,) = shown["timeline"]
    assert entry["status"] == "cancelled" and STAMP.fullmatch(entry["completed_at"])


def test_a_review_shows_its_task_and_a_form_is_no_process(api: Api) -> None:
    job = JobWorker(api).at("waiting_review")
    shown = read(api, job["process_id"])
    assert shown["status"] == "running" and len(shown["task_ids"]) == 1
    assert shown["timeline"][0]["task_id"] == shown["task_ids"][0]
    task = api.post("/api/v1/tasks", FORM)
    assert task.status == 201, task
    task_id = task.json["task_id"]
    assert api.get(f"{ROOT}/{task_id}").status == 404
    assert task_id not in {one["process_id"] for one in listed(api, "limit=200")["processes"]}


def test_a_task_of_a_step_completes_it_and_its_cancel_does_not_touch_it(api: Api) -> None:
    one = create(api)
    tasks = [
        api.post("/api/v1/tasks", FORM | {"process_id": one, "process_step": "sign"}).json[
            "task_id"
        ]
        for _ in range(2)
    ]
    assert listed(api, "limit=1")["processes"][0]["task_ids"] == tasks
    assert read(api, one)["timeline"][1]["task_id"] == tasks[-1]
    assert api.post(f"/api/v1/tasks/{tasks[1]}/cancel").status == 200
    assert read(api, one)["timeline"][1]["status"] == "pending"
    assert api.post(f"/api/v1/tasks/{tasks[0]}/complete", {"data": {}}).status == 200
    assert read(api, one)["timeline"][1]["status"] == "completed"


def test_links_are_made_listed_and_revoked(api: Api) -> None:
    one = create(api)
    path = f"{ROOT}/{one}/links"
    assert "assignee_email" in faults(api.post(path, {}))
    assert "expires_in" in faults(api.post(path, {"assignee_email": "a@b.c", "expires_in": 59}))
    made = api.post(path, {"assignee_email": "Ada@example.com", "expires_in": 60})
    assert made.status == 201
    link = made.json
    assert link["url"].endswith(f"/t/{link['link_id']}") and len(link["link_id"]) >= 22
    assert (link["status"], link["requires_otp"]) == ("active", False)
    assert link["assignee_email"] == "ada@example.com"
    assert api.get(path).json == {"links": [link]}
    gone = api.send("DELETE", f"{path}?link_id={link['link_id']}")
    assert (gone.status, gone.json["status"]) == (200, "revoked")
    assert api.send("DELETE", f"{path}?link_id={link['link_id']}").json == gone.json
    other = create(api)
    for wrong in (f"{ROOT}/{other}/links?link_id={link['link_id']}", f"{path}?link_id=x", path):
        reply = api.send("DELETE", wrong)
        assert (reply.status, reply.json) == (404, {"error": "Link not found"})


def test_a_task_that_belongs_to_a_process_gives_it_a_new_version(api: Api) -> None:
    process_id = create(api)
    seen = api.get(f"{ROOT}/{process_id}").headers["etag"]
    task = api.post("/api/v1/tasks", FORM | {"process_id": process_id}).json
    fresh = api.get(f"{ROOT}/{process_id}", If_None_Match=seen)
    assert fresh.status == 200
    assert fresh.json["task_ids"] == [task["task_id"]]
