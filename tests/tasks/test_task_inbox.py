"""One inbox: a job's draft and an interrupted run are asked about as forms are."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from jobs_by_hand import JobWorker
from living_server import OURS, Api, Living, living, until
from made_tasks import faults, seen
from readers import Reader, heading, shown_faults
from requests_by_hand import direct
from test_task_wait import waiting
from worker_by_hand import Worker

from procession.capabilities.echo import Echo

LEASE_MS = 1_000


def task_about(api: Api, process_id: str) -> dict[str, Any]:
    """The one pending task of a process."""
    (task,) = api.get(f"/api/v1/tasks?status=pending&process_id={process_id}").json["tasks"]
    return seen(api, task["task_id"])


def test_a_draft_is_reviewed_as_a_form(api: Api, server: Living) -> None:
    worker = JobWorker(api)
    job = worker.at("waiting_review")
    task = task_about(api, job["process_id"])
    assert (task["kind"], task["process_id"]) == ("review", job["process_id"])
    path = f"/api/v1/tasks/{task['task_id']}"
    shown = api.get(f"{path}?include_definition=true").json["definition"]
    blocks = shown["steps"][0]["blocks"]
    assert '"rows": 2' in blocks[0]["content"]
    assert [block["field"]["name"] for block in blocks[1:]] == ["decision", "edits"]
    for data in ({}, {"decision": "maybe"}, {"decision": "approve", "edits": "{"}):
        assert faults(api.post(f"{path}/complete", {"data": data}))
    answer = {"decision": "approve", "edits": {"rows": [1, 2]}}
    with waiting(server, task["task_id"]) as wait:
        done = api.post(f"{path}/complete", {"data": answer})
    assert done.json["status"] == wait.end().json["status"] == "completed"
    assert done.json["data"] == {"decision": "approve"}
    item = worker.claim()
    assert item["decisions"][-1] == answer, "the worker has the edits"
    worker.run(item)
    until(lambda: api.get(f"/api/processes/{job['id']}").json["status"] == "completed")


def test_a_draft_is_reviewed_on_its_page(api: Api, nobody: Api) -> None:
    worker = JobWorker(api)
    job = worker.at("waiting_review")
    task = task_about(api, job["process_id"])
    link = api.post(f"/api/v1/tasks/{task['task_id']}/links", {}).json
    reader = Reader(nobody, link["link_id"])
    assert '"rows": 2' in shown_faults(reader.look())
    assert "must be JSON" in shown_faults(reader.send(decision="reject", edits="not JSON"))
    assert heading(reader.send(decision="reject", edits='["too few"]')) == "Thank you"
    assert worker.claim()["decisions"][-1] == {"decision": "reject", "edits": ["too few"]}


def test_a_draft_reviewed_in_the_workspace_is_reviewed_here_too(api: Api) -> None:
    job = JobWorker(api).at("waiting_review")
    task = task_about(api, job["process_id"])
    assert api.post(f"/api/processes/{job['id']}/review", {"decision": "approve"}).status == 200
    assert seen(api, task["task_id"])["status"] == "completed"
    late = api.post(f"/api/v1/tasks/{task['task_id']}/complete", {"data": {"decision": "reject"}})
    assert late.status == 409


def test_cancelling_a_review_cancels_its_job(api: Api) -> None:
    job = JobWorker(api).at("waiting_review")
    task = task_about(api, job["process_id"])
    api.post(f"/api/v1/tasks/{task['task_id']}/cancel", {"reason": "No"})
    assert seen(api, task["task_id"])["cancel_reason"] == "No"
    assert api.get(f"/api/processes/{job['id']}").json["status"] == "cancelled"


@pytest.fixture(scope="module")
def hasty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """A server that soon believes a run lost."""
    folder: Path = tmp_path_factory.mktemp("hasty")
    with living(folder, lease_ms=LEASE_MS) as server:
        api = Api(server.port, OURS)
        yield api
        api.close()


def interrupted(api: Api, word: str) -> str:
    """The id of a process whose run is lost soon."""
    worker = Worker(api, f"phone-{word}", agent_id=f"agent-{word}").register()
    account = {"account_id": f"a-{word}", "phone_id": f"phone-{word}"}
    assert api.post("/accounts", account).status == 201
    with patch.object(Echo, "on_interrupted", "ask_human"):
        reply = api.post(
            "/capability-requests/enqueue", direct(account["phone_id"], account["account_id"])
        )
    worker.start(worker.claim())
    return str(reply.json["process_id"])


def test_an_interrupted_run_is_asked_about(hasty: Api) -> None:
    statuses = {"retry": "queued", "fail": "failed_terminal"}
    process_ids = {word: interrupted(hasty, word) for word in statuses}
    until(lambda: hasty.get("/api/v1/tasks?status=pending").json["total"] == len(statuses))
    for word, process_id in process_ids.items():
        task = task_about(hasty, process_id)
        assert task["kind"] == "interruption"
        complete = f"/api/v1/tasks/{task['task_id']}/complete"
        refused = hasty.post(complete, {"data": {"decision": "approve"}})
        assert faults(refused) == ["data.decision"]
        done = hasty.post(complete, {"data": {"decision": word}})
        assert (done.json["status"], done.json["data"]) == ("completed", {"decision": word})
        assert hasty.get(f"/processes/{process_id}").json["status"] == statuses[word]
