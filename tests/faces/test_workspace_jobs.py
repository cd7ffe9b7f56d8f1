"""The workspace face's routes: start, list, read, retry, cancel, review, and every refusal."""

from __future__ import annotations

from typing import Any

import pytest
from jobs_by_hand import STATUSES, JobWorker
from living_server import READER, THEIRS, Api, Living
from requests_by_hand import fresh, process_of

LISTED = ["id", "type", "status", "progress", "created_at", "updated_at"]
FULL = [
    *LISTED,
    *("metadata", "result_summary", "workspace_id", "user_id", "current_step", "error_message"),
    *("attempts", "started_at", "finished_at", "process_id", "version"),
]
RETRIABLE = {"failed"}
CANCELLABLE = {"pending", "running", "waiting_review"}


@pytest.fixture
def worker(api: Api) -> JobWorker:
    return JobWorker(api)


def path_of(job: dict[str, Any], verb: str = "") -> str:
    return f"/api/processes/{job['id']}{verb}"


def test_a_started_job_is_answered_whole_and_found_again(api: Api, worker: JobWorker) -> None:
    message = {"type": worker.job_type, "input": {"a": 1}}
    reply = api.post("/api/processes", message)
    assert reply.status == 202
    job = reply.json
    assert list(job) == FULL
    assert reply.headers["location"] == path_of(job)
    assert reply.headers["etag"] == f'"v{job["version"]}"'
    assert job["status"] == "pending" and job["progress"] == 0 and job["attempts"] == 0
    assert job["metadata"]["input"] == {"a": 1}
    assert api.get(path_of(job)).json == job
    assert api.get(path_of(job), If_None_Match=reply.headers["etag"]).status == 304


def test_the_same_request_id_is_the_same_job_and_never_another(api: Api, worker: JobWorker) -> None:
    key = fresh("request")
    first = worker.begin(request_id=key)
    assert worker.begin(request_id=key)["id"] == first["id"]
    other = api.post(
        "/api/processes", {"type": worker.job_type, "request_id": key, "input": {"other": 1}}
    )
    assert other.status == 409
    assert list(other.json) == ["message"]


def test_ids_grow_with_creation_and_a_list_is_newest_first_in_pages(
    api: Api, worker: JobWorker
) -> None:
    made = [worker.begin()["id"] for _ in range(5)]
    assert made == sorted(made)
    page = api.get("/api/processes?limit=3").json
    assert [list(one) for one in page] == [LISTED] * 3
    assert [one["id"] for one in page] == made[:1:-1]
    following = api.get(f"/api/processes?limit=2&before_id={page[-1]['id']}").json
    assert [one["id"] for one in following] == made[1::-1]


def test_a_list_shows_the_statuses_asked_for(api: Api) -> None:
    jobs = {status: JobWorker(api).at(status)["id"] for status in STATUSES}
    for status, number in jobs.items():
        found = api.get(f"/api/processes?status={status}").json
        assert number in [one["id"] for one in found]
        assert {one["status"] for one in found} == {status}
    both = api.get("/api/processes?status=failed,cancelled").json
    assert {one["status"] for one in both} == {"failed", "cancelled"}


@pytest.mark.parametrize("status", STATUSES)
def test_only_a_failed_job_can_be_retried(api: Api, worker: JobWorker, status: str) -> None:
    job = worker.at(status)
    reply = api.post(path_of(job, "/retry"))
    if status in RETRIABLE:
        assert (reply.status, reply.json["status"]) == (200, "pending")
        assert reply.json["id"] == job["id"] and reply.json["error_message"] is None
        again = worker.claim()
        assert again["attempt"] == 2
        log = api.get(path_of(job, "/events")).json
        assert any("no such column" in line["message"] for line in log)
    else:
        assert reply.status == 409
        assert status in reply.json["message"] or "only a failed one" in reply.json["message"]
        assert api.get(path_of(job)).json == job


@pytest.mark.parametrize("status", STATUSES)
def test_what_has_not_ended_is_cancelled_at_once(api: Api, worker: JobWorker, status: str) -> None:
    job = worker.at(status)
    reply = api.post(path_of(job, "/cancel"))
    if status in CANCELLABLE:
        assert (reply.status, reply.json["status"]) == (200, "cancelled")
        assert reply.json["finished_at"] is not None
    else:
        assert reply.status == 409
        assert api.get(path_of(job)).json == job


def test_a_busy_worker_is_told_to_stop_and_its_late_words_are_refused(
    api: Api, worker: JobWorker
) -> None:
    job = worker.begin()
    item = worker.claim()
    worker.start(item)
    assert api.post(path_of(job, "/cancel")).json["status"] == "cancelled"
    orders = worker._say("heartbeat", runs=[{"item_id": item["item_id"], "attempt": 1}])
    assert [order["order"] for order in orders["orders"]] == ["hard"]
    done = worker.finish(item, result={"late": True})
    assert done["answers"][0]["code"] == "lease_lost"
    after = api.get(path_of(job)).json
    assert after["status"] == "cancelled" and after["result_summary"] is None


@pytest.mark.parametrize("status", STATUSES)
def test_only_what_waits_for_a_review_can_be_reviewed(
    api: Api, worker: JobWorker, status: str
) -> None:
    job = worker.at(status)
    reply = api.post(path_of(job, "/review"), {"decision": "approve", "edits": {"x": 1}})
    if status == "waiting_review":
        assert job["metadata"]["draft"] == {"rows": 2}
        assert (reply.status, reply.json["status"]) == (200, "pending")
        again = worker.claim()
        assert again["decisions"] == [{"decision": "approve", "edits": {"x": 1}}]
    else:
        assert reply.status == 409


def test_a_job_tells_how_far_it_is_and_how_it_ended(api: Api, worker: JobWorker) -> None:
    job = worker.begin()
    item = worker.claim()
    worker.start(item)
    worker.progress(item, 40.4, "Checking rows")
    now = api.get(path_of(job)).json
    assert (now["progress"], now["current_step"], now["attempts"]) == (40, "Checking rows", 1)
    worker.finish(item, result={"rows": 7})
    done = api.get(path_of(job)).json
    assert (done["progress"], done["result_summary"]) == (100, {"rows": 7})
    log = api.get(path_of(job, "/events")).json
    assert [list(line) for line in log] == [["id", "status", "message", "created_at"]] * len(log)
    assert [line["id"] for line in log] == list(range(1, len(log) + 1))
    assert [line["status"] for line in log][-1] == "completed"
    assert "Checking rows" in [line["message"] for line in log]
    assert api.get(path_of(job, "/events?after=2&limit=1")).json == log[2:3]


def test_work_of_another_face_is_shown_too(api: Api) -> None:
    process_id = process_of(api)
    newest = next(one for one in api.get("/api/processes").json if one["type"] == "echo")
    whole = api.get(path_of(newest)).json
    assert whole["process_id"] == process_id
    assert (whole["status"], whole["user_id"]) == ("pending", None)


@pytest.mark.parametrize("verb", ["", "/events", "/stream"])
def test_foreign_and_unknown_jobs_are_answered_the_same_byte_for_byte(
    api: Api, worker: JobWorker, verb: str
) -> None:
    job = worker.begin()
    theirs = api.as_(THEIRS)
    foreign = theirs.get(path_of(job, verb))
    unknown = theirs.get(f"/api/processes/999999{verb}")
    nonsense = theirs.get(f"/api/processes/x1{verb}")
    assert foreign.status == unknown.status == nonsense.status == 404
    assert foreign.body == unknown.body == nonsense.body == b'{"message":"Not found."}'


@pytest.mark.parametrize("verb", ["/retry", "/cancel", "/review", "/stream-token"])
def test_foreign_jobs_cannot_be_touched(api: Api, worker: JobWorker, verb: str) -> None:
    job = worker.begin()
    reply = api.as_(THEIRS).post(path_of(job, verb), {"decision": "approve"})
    assert (reply.status, reply.body) == (404, b'{"message":"Not found."}')


@pytest.mark.parametrize(
    ("message", "field"),
    [
        ({"type": "no_such_type"}, "type"),
        ({"type": ""}, "type"),
        ({}, "type"),
        ({"type": 7}, "type"),
        ({"type": "draft", "input": []}, "input"),
        ({"type": "draft", "input": {}}, "input"),
        ({"type": "echo", "workspace_id": "one"}, "workspace_id"),
        ({"type": "echo", "request_id": ""}, "request_id"),
        ({"type": "echo", "request_id": "x" * 201}, "request_id"),
    ],
)
def test_a_wrong_field_is_named_with_its_rule(api: Api, message: Any, field: str) -> None:
    reply = api.post("/api/processes", message)
    assert reply.status == 422
    assert list(reply.json) == ["message", "errors"]
    assert list(reply.json["errors"]) == [field]
    assert all(isinstance(rule, str) and rule for rule in reply.json["errors"][field])


@pytest.mark.parametrize(
    "query",
    ["status=sleeping", "limit=0", "limit=201", "limit=x", "before_id=0", "workspace_id=-1"],
)
def test_a_wrong_query_is_refused_by_name(api: Api, query: str) -> None:
    reply = api.get(f"/api/processes?{query}")
    assert reply.status == 422
    assert list(reply.json["errors"]) == [query.partition("=")[0]]


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"type":"echo","type":"echo"}', b"\xff"])
def test_a_body_that_is_no_clean_json_is_refused(api: Api, body: bytes) -> None:
    reply = api.send("POST", "/api/processes", body)
    assert reply.status == 422
    assert reply.json["errors"]


def test_the_words_of_refusals_are_the_contracts(api: Api, server: Living) -> None:
    assert api.as_(None).get("/api/processes").body == b'{"message":"Unauthenticated."}'
    assert api.as_("x" * 40).get("/api/processes").status == 401
    forbidden = api.as_(READER).get("/api/processes")
    assert forbidden.status == 403 and "jobs:read" in forbidden.json["message"]
    assert api.get("/api/nowhere").body == b'{"message":"Not found."}'
    wrong_method = api.send("DELETE", "/api/processes")
    assert wrong_method.status == 405 and "POST" in wrong_method.headers["allow"]
    unknown = api.get("/api/processes?workspace_id=999")
    assert (unknown.status, unknown.json) == (404, {"message": "Not found."})


def test_workspaces_are_listed_and_narrow_what_is_shown(api: Api, server: Living) -> None:
    found = api.get("/api/workspaces").json
    assert all(list(one) == ["id", "name", "namespace"] for one in found)
