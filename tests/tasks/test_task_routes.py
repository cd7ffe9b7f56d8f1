"""Tasks over HTTP: every row of the contract and of its errors."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

import pytest
from filled import asking
from living_server import READER, Api, Living
from made_tasks import ANSWER, UNKNOWN, created, faults, form, listed, seen, task_id_of, tracked
from people_by_hand import person, signed_in
from requests_by_hand import fresh

STAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
SINKS = [{"type": "webhook", "url": "https://example.com/hook"}]


def member_id(api: Api, email: str) -> str:
    """A member's id, as a task assigned by the address shows it."""
    return str(seen(api, task_id_of(api, assignee_email=email))["assignee_id"])


def test_a_task_takes_every_optional_field(api: Api, server: Living) -> None:
    process_id = tracked(api, "sign")
    given = {
        "task_id": UNKNOWN.replace("c3", "c4"),
        "instructions_mdsvex": "Please *sign*.",
        "template_id": fresh("template"),
        "metadata": {"order": "7", "rush": True},
        "assignee_email": person(server),
        "assignee_name": "Ada",
        "assignee_phone": "+49 1",
        "expires_in": 3_600,
        "sinks": SINKS,
        "correlation_key": fresh("key"),
        "process_id": process_id,
        "process_step": "sign",
    }
    reply = api.post("/api/v1/tasks", form(**given), X_Anything="else")
    assert reply.status == 201
    assert reply.headers["location"] == f"/api/v1/tasks/{given['task_id']}"
    answer = reply.json
    assert set(answer) == {
        *("task_id", "link_id", "url", "requires_otp", "created_at", "webhook_secret")
    }
    assert answer["url"] == f"http://127.0.0.1:{api.port}/t/{answer['link_id']}"
    assert (answer["requires_otp"], answer["webhook_secret"][:6]) == (False, "whsec_")
    assert STAMP.fullmatch(answer["created_at"])
    task = seen(api, answer["task_id"])
    assert task["status"] == "pending" and "data" not in task and "definition" not in task
    assert (task["corr_id"], task["process_id"]) == (given["correlation_key"], process_id)
    assert (task["process_step"], task["metadata"]) == ("sign", given["metadata"])
    lasts = datetime.fromisoformat(task["expires_at"]) - datetime.fromisoformat(task["created_at"])
    assert abs(lasts.total_seconds() - 3_600) <= 1
    shown = api.get(f"/api/v1/tasks/{answer['task_id']}?include_definition=true").json
    assert shown["definition"]["instructions_mdsvex"] == "Please *sign*."
    assert shown["definition"]["steps"][0]["blocks"][0]["field"]["name"] == "name"


def test_other_words_for_the_same_are_taken(api: Api) -> None:
    task = seen(api, task_id_of(api, payload={"a": 1}, corr_id=fresh("key"), unheard_of=[1]))
    assert (task["metadata"], task["corr_id"]) == ({"a": 1}, task["correlation_key"])
    again = seen(api, task_id_of(api, metadata=None, correlation_key=None, expires_in=None))
    assert (again["metadata"], again["corr_id"], again["expires_at"]) == ({}, None, None)


def test_who_is_no_member_needs_a_code(api: Api, server: Living) -> None:
    ours, others = person(server), person(server, tenant="theirs")
    assert not created(api, assignee_email=ours.upper())["requires_otp"]
    assert created(api, assignee_email=ours, require_otp=True)["requires_otp"]
    assert created(api, assignee_email=others)["requires_otp"]
    assert created(api, assignee_email=others, require_otp=False)["requires_otp"]
    assert not created(api)["requires_otp"]
    number = member_id(api, ours)
    for given in (number, int(number)):
        task = seen(api, task_id_of(api, assignee_member_id=given))
        assert (task["assignee_id"], task["assignee_email"]) == (number, ours)


def test_me_is_who_is_signed_in(api: Api, server: Living) -> None:
    email, other = person(server), person(server)
    me = signed_in(api, email)
    task = seen(me, task_id_of(me, title=f"Of {email}", assignee_member_id="me"))
    assert task["assignee_email"] == email
    assert listed(me, "assignee=me") == [task["title"]]
    assert listed(signed_in(api, other), "assignee=me") == []
    viewer = signed_in(api, person(server, role="viewer"))
    assert viewer.post("/api/v1/tasks", form()).status == 403
    assert viewer.get(f"/api/v1/tasks/{task['task_id']}").status == 200
    forged = api.as_("a.b.c").get("/api/v1/tasks")
    assert (forged.status, forged.json) == (401, {"error": "Invalid token"})


@pytest.mark.parametrize(
    ("words", "fields"),
    [
        ({"title": ""}, ["title"]),
        ({"title": "x" * 201}, ["title"]),
        ({"steps": []}, ["steps"]),
        ({"steps": None}, ["steps"]),
        ({"steps": [{"id": "a", "title": "A"}]}, ["steps[0].blocks"]),
        ({"steps": [{"id": "a", "title": "A", "blocks": [{"type": "odd"}]}]}, None),
        ({"task_id": "seven"}, ["task_id"]),
        ({"expires_in": 59}, ["expires_in"]),
        ({"expires_in": 2_592_001}, ["expires_in"]),
        ({"expires_in": "60"}, ["expires_in"]),
        ({"assignee_email": "nobody"}, ["assignee_email"]),
        ({"assignee_member_id": "me"}, ["assignee_member_id"]),
        ({"assignee_member_id": "999999"}, ["assignee_member_id"]),
        ({"assignee_member_id": "x"}, ["assignee_member_id"]),
        ({"require_otp": True}, ["require_otp"]),
        ({"process_step": "a"}, ["process_step"]),
        ({"metadata": {"": 1}}, None),
        ({"metadata": {str(n): n for n in range(51)}}, ["metadata"]),
        ({"sinks": [{"type": "nats", "subject": "a"}]}, ["sinks[0]"]),
        ({"sinks": [{"type": "webhook", "url": "ftp://x"}]}, ["sinks[0].url"]),
        ({"template_id": "x" * 201}, ["template_id"]),
    ],
)
def test_what_breaks_a_rule_is_named(
    api: Api, words: dict[str, Any], fields: list[str] | None
) -> None:
    named = faults(api.post("/api/v1/tasks", form(**words)))
    assert named == fields if fields else named


def test_a_member_of_another_organization_is_no_member(
    api: Api, theirs: Api, server: Living
) -> None:
    number = member_id(theirs, person(server, tenant="theirs"))
    foreign = api.post("/api/v1/tasks", form(assignee_member_id=number))
    unknown = api.post("/api/v1/tasks", form(assignee_member_id="99999"))
    assert faults(foreign) == ["assignee_member_id"] and foreign.body == unknown.body


def test_a_task_belongs_to_a_known_process_and_step(api: Api, theirs: Api) -> None:
    own, foreign = tracked(api, "sign"), tracked(theirs, "sign")
    for process_id in (UNKNOWN, foreign, "odd"):
        reply = api.post("/api/v1/tasks", form(process_id=process_id, process_step="sign"))
        assert (reply.status, reply.json) == (404, {"error": "Process not found"})
    assert faults(api.post("/api/v1/tasks", form(process_id=own, process_step="x"))) == [
        "process_step"
    ]


def test_an_id_is_taken_once_in_an_organization(api: Api, theirs: Api) -> None:
    own_id = UNKNOWN.replace("c3", "c5")
    assert created(api, task_id=own_id.upper())["task_id"] == own_id
    assert api.post("/api/v1/tasks", form(task_id=own_id)).status == 409
    assert created(theirs, task_id=own_id)["task_id"] == own_id
    assert seen(api, own_id.upper())["task_id"] == own_id


def test_completing_a_task_completes_its_step(api: Api) -> None:
    process_id = tracked(api, "sign", "file")
    task_id = task_id_of(api, process_id=process_id, process_step="sign")
    other_id = task_id_of(api, process_id=process_id, process_step="file")
    api.post(f"/api/v1/processes/{process_id}/update", {"type": "step_started", "step": "sign"})
    done = api.post(f"/api/v1/tasks/{task_id}/complete", {"data": ANSWER})
    assert (done.status, done.json["status"], done.json["data"]) == (200, "completed", ANSWER)
    assert api.post(f"/api/v1/tasks/{other_id}/cancel", {}).json["status"] == "cancelled"
    timeline = api.get(f"/api/v1/processes/{process_id}").json["timeline"]
    assert [step["status"] for step in timeline] == ["completed", "pending"]
    assert [step["task_id"] for step in timeline] == [task_id, other_id]


def test_answers_are_checked_against_the_form(api: Api) -> None:
    task_id = task_id_of(api)
    path = f"/api/v1/tasks/{task_id}/complete"
    assert faults(api.post(path, {"data": {}})) == ["data.name"]
    assert faults(api.post(path, {"data": {"name": 7}})) == ["data.name"]
    assert faults(api.post(path, {"data": {"name": "A", "more": 1}})) == ["data.more"]
    assert faults(api.post(path, {"data": 7})) == ["data"]
    assert faults(api.post(path, {})) == ["data"]
    assert seen(api, task_id)["status"] == "pending"
    assert api.post(path, {"data": ANSWER}).status == 200
    shown = seen(api, task_id)
    assert shown["data"] == ANSWER and STAMP.fullmatch(shown["completed_at"])


@pytest.mark.parametrize("end", ["complete", "cancel"])
def test_leaving_pending_is_final(api: Api, end: str) -> None:
    task_id = task_id_of(api)
    bodies: dict[str, Any] = {"complete": {"data": ANSWER}, "cancel": {"reason": "Not needed"}}
    assert api.post(f"/api/v1/tasks/{task_id}/{end}", bodies[end]).status == 200
    for verb in ("complete", "cancel", "notify", "links"):
        reply = api.post(f"/api/v1/tasks/{task_id}/{verb}", bodies.get(verb, {}))
        assert (reply.status, reply.json) == (409, {"error": "Task is not pending"}), verb


def test_a_cancelled_task_says_why(api: Api) -> None:
    task_id = task_id_of(api)
    api.post(f"/api/v1/tasks/{task_id}/cancel", {"reason": "Wrong person"})
    task = seen(api, task_id)
    assert (task["status"], task["cancel_reason"]) == ("cancelled", "Wrong person")
    assert STAMP.fullmatch(task["cancelled_at"]) and task["completed_at"] is None
    assert faults(api.post(f"/api/v1/tasks/{task_id}/cancel", {"reason": "x" * 501}))


def test_a_list_is_filtered_by_everything_together(api: Api, server: Living) -> None:
    word, key, email = fresh("word"), fresh("key"), person(server)
    process_id = tracked(api, "sign")
    a = task_id_of(api, title=f"100% {word} A", metadata={key: "1", "b": "x"}, template_id=word)
    b = task_id_of(api, title=f"{word} B", metadata={key: "1"}, assignee_email=email)
    task_id_of(api, title=f"{word} C", correlation_key=key, process_id=process_id)
    task_id_of(api, title=f"{word} D", assignee_email="x@example.org")
    api.post(f"/api/v1/tasks/{b}/complete", {"data": ANSWER})
    titles = {name: f"{word} {name}" for name in "BCD"} | {"A": f"100% {word} A"}

    def found(query: str) -> str:
        back = {title: name for name, title in titles.items()}
        return "".join(back[title] for title in listed(api, query))

    number = member_id(api, email)
    assert found(f"search={word}") == "DCBA"
    assert found(f"search={word.upper()}&sort=oldest") == "ABCD"
    assert found(f"search=%25+{word}") == "A" and found(f"search=_+{word}") == ""
    assert found(f"search={word}&status=completed") == "B"
    assert found(f"search={word}&status=pending&unassigned=true") == "CA"
    assert found(f"meta.{key}=1") == "BA"
    assert found(f"meta.{key}=1&meta.b=x&template_id={word}") == "A"
    assert found(f"meta.{key}=2") == ""
    assert found(f"search={word}&assignee={number}") == "B"
    assert found(f"search={word}&assignee={email.upper()}") == "B"
    assert found("assignee=x@example.org&search=" + word) == "D"
    assert found(f"correlation_key={key}") == found(f"corr_id={key}") == "C"
    assert found(f"process_id={process_id}") == "C" and found(f"process_id={UNKNOWN}") == ""
    assert found(f"search={word}&limit=2&offset=1") == "CB"
    page = api.get(f"/api/v1/tasks?search={word}&limit=2&offset=3").json
    assert (page["total"], page["limit"], page["offset"], len(page["tasks"])) == (4, 2, 3, 1)
    assert page["tasks"][0] == {
        "task_id": a,
        "title": titles["A"],
        "status": "pending",
        "created_at": page["tasks"][0]["created_at"],
        "completed_at": None,
        "org_id": "org-1",
        "corr_id": None,
        "assignee_id": None,
        "process_id": None,
        "kind": "form",
    }
    assert word in api.get("/api/v1/tasks/templates").json["templates"]


@pytest.mark.parametrize(
    "query",
    [
        *("limit=0", "limit=201", "offset=-1", "status=odd", "sort=up", "unassigned=7"),
        *("assignee=me", "meta.a=1&meta.b=1&meta.c=1&meta.d=1", "search=" + "x" * 201),
    ],
)
def test_a_wrong_filter_is_named(api: Api, query: str) -> None:
    assert faults(api.get(f"/api/v1/tasks?{query}"))


def test_short_searches_and_odd_ones_find_their_titles(api: Api) -> None:
    title = f"x\\y_z {fresh('odd')}"
    task_id_of(api, title=title)
    for search in ("x%5Cy_z", "%5Cy", "y_z", "_z%20odd", "Y_Z"):
        assert title in listed(api, f"search={search}&limit=200"), search


def test_links_are_made_listed_and_revoked(api: Api) -> None:
    task = created(api, expires_in=600)
    path = f"/api/v1/tasks/{task['task_id']}/links"
    more = api.post(path, {"assignee_email": "a@example.org", "expires_in": 60})
    assert more.status == 201 and more.json["requires_otp"]
    late = api.post(path, {"assignee_name": "Bo", "expires_in": 86_400}).json
    held = api.get(path).json["links"]
    assert [link["link_id"] for link in held[:1]] == [task["link_id"]]
    assert {link["status"] for link in held} == {"active"} and len(held) == 3
    assert late["expires_at"] == held[0]["expires_at"], "no link outlasts its task"
    gone = api.send("DELETE", f"{path}?link_id={task['link_id']}")
    again = api.send("DELETE", f"{path}?link_id={task['link_id']}")
    assert (gone.status, gone.json["status"], again.body) == (200, "revoked", gone.body)
    assert faults(api.send("DELETE", path)) == ["link_id"]
    other = created(api)
    for link_id in ("unknown", other["link_id"]):
        reply = api.send("DELETE", f"{path}?link_id={link_id}")
        assert (reply.status, reply.json) == (404, {"error": "Link not found"})
    assert faults(api.post(path, {"assignee_email": "x"})) == ["assignee_email"]


def test_what_a_token_may_not_do_it_is_told(api: Api, nobody: Api, server: Living) -> None:
    task_id = task_id_of(api)
    reader = api.as_(READER)
    for method, path in (
        ("POST", ""),
        ("GET", ""),
        ("GET", "/templates"),
        ("GET", f"/{task_id}"),
        ("GET", f"/{task_id}/wait"),
        ("GET", f"/{task_id}/links"),
        *(("POST", f"/{task_id}/{verb}") for verb in ("complete", "cancel", "notify", "links")),
        ("DELETE", f"/{task_id}/links"),
    ):
        reply = reader.send(method, f"/api/v1/tasks{path}", b"{}")
        assert (reply.status, reply.json) == (403, {"error": "Insufficient permissions"}), path
        assert nobody.send(method, f"/api/v1/tasks{path}", b"{}").status == 401, path


def test_a_task_that_is_known_is_not_told_again(api: Api) -> None:
    path = f"/api/v1/tasks/{task_id_of(api)}"
    etag = api.get(path).headers["etag"]
    assert api.get(path, If_None_Match=etag).status == 304
    api.post(f"{path}/complete", {"data": ANSWER})
    assert api.get(path, If_None_Match=etag).status == 200


def test_hostile_bodies_are_refused(api: Api) -> None:
    for body in (b"", b"[]", b'{"title":"a","title":"b"}', b'{"title":"\\ud800"}', b"{" * 40):
        assert faults(api.send("POST", "/api/v1/tasks", body))
    blocks = [asking("name", "Name", "text") for _ in range(2)]
    twice = {"title": "T", "steps": [{"id": "a", "title": "A", "blocks": blocks}]}
    assert faults(api.post("/api/v1/tasks", twice)) == ["steps[0].blocks[1].field.name"]
