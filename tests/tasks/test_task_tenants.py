"""What belongs to another organization cannot be told from what does not exist."""

from __future__ import annotations

from typing import Any

from living_server import Api, Reply
from made_tasks import ANSWER, UNKNOWN, created, form, listed, seen, task_id_of, tracked, uploaded
from requests_by_hand import fresh


def routes(task_id: str, link_id: str) -> list[tuple[str, str, dict[str, Any] | None]]:
    """Every route to one task: method, path, body."""
    one = f"/api/v1/tasks/{task_id}"
    return [
        ("GET", one, None),
        ("HEAD", one, None),
        ("GET", f"{one}?include_definition=true", None),
        ("GET", f"{one}/wait?timeout=0", None),
        ("POST", f"{one}/complete", {"data": ANSWER}),
        ("POST", f"{one}/complete", {"data": {}}),
        ("POST", f"{one}/cancel", {"reason": "x"}),
        ("POST", f"{one}/notify?escalate=true", {}),
        ("GET", f"{one}/links", None),
        ("POST", f"{one}/links", {"assignee_email": "a@example.org"}),
        ("DELETE", f"{one}/links?link_id={link_id}", None),
        ("DELETE", f"{one}/links", None),
    ]


def sent(api: Api, method: str, path: str, body: dict[str, Any] | None) -> Reply:
    from json import dumps

    raw = None if body is None else dumps(body).encode()
    return api.send(method, path, raw, X_Request_Id="same")


def comparable(reply: Reply) -> tuple[int, dict[str, str], bytes]:
    return reply.status, {n: v for n, v in reply.headers.items() if n != "date"}, reply.body


def test_a_foreign_task_answers_as_an_unknown_one_on_every_route(api: Api, theirs: Api) -> None:
    task = created(theirs, title="Secret", assignee_email="a@example.org")
    before = seen(theirs, task["task_id"])
    links = theirs.get(f"/api/v1/tasks/{task['task_id']}/links").body
    bodies = set()
    for odd in (UNKNOWN, "x", "%27--", UNKNOWN.upper(), "9" * 300, "..", "%FF"):
        for foreign, unknown in zip(
            routes(task["task_id"], task["link_id"]), routes(odd, "nothing"), strict=True
        ):
            first, second = sent(api, *foreign), sent(api, *unknown)
            assert comparable(first) == comparable(second), unknown
            assert first.status == 404, foreign
            bodies |= {first.body} if foreign[0] != "HEAD" else set()
    assert bodies == {b'{"error":"Task not found"}'}
    assert seen(theirs, task["task_id"]) == before
    assert theirs.get(f"/api/v1/tasks/{task['task_id']}/links").body == links


def test_lists_and_templates_show_ones_own_only(api: Api, theirs: Api) -> None:
    word, key = fresh("word"), fresh("key")
    foreign = tracked(theirs, "sign")
    words = {"metadata": {key: "1"}, "template_id": word, "correlation_key": key}
    task_id_of(theirs, title=word, process_id=foreign, assignee_email="z@example.org", **words)
    for query in (
        *(f"search={word}", f"meta.{key}=1", f"template_id={word}", f"correlation_key={key}"),
        *(f"process_id={foreign}", f"assignee=z@example.org&search={word}", "sort=oldest"),
    ):
        assert word not in listed(api, query), query
        mine = api.get(f"/api/v1/tasks?{query}").json
        assert all(task["org_id"] == "org-1" for task in mine["tasks"])
    assert listed(theirs, f"search={word}") == [word]
    assert word not in api.get("/api/v1/tasks/templates").json["templates"]
    assert word in theirs.get("/api/v1/tasks/templates").json["templates"]


def test_a_link_of_one_task_is_none_of_another(api: Api, theirs: Api) -> None:
    own, other, foreign = created(api), created(api), created(theirs)
    path = f"/api/v1/tasks/{own['task_id']}/links"
    replies = {
        comparable(sent(api, "DELETE", f"{path}?link_id={link_id}", None))[2]
        for link_id in (other["link_id"], foreign["link_id"], "unknown", "x" * 300)
    }
    assert replies == {b'{"error":"Link not found"}'}
    assert theirs.get(f"/t/{foreign['link_id']}").status == 200


def test_a_foreign_file_is_no_answer(api: Api, theirs: Api) -> None:
    kept = uploaded(theirs, "a.txt", b"secret").json
    asked = form({"type": "input", "field": {"name": "f", "label": "F", "kind": "file"}})
    task_id = task_id_of(api, **asked)
    path = f"/api/v1/tasks/{task_id}/complete"
    unknown = kept["key"].replace("org-2", "org-1")
    answers = []
    for key in (kept["key"], unknown, "org-2/../x", f"org-1/../{kept['key']}"):
        reply = api.post(path, {"data": {"name": "A", "f": key}})
        assert reply.status == 400
        answers.append(reply.json["details"][0]["message"].partition('" ')[2])
    assert set(answers) == {"is not an uploaded file"}
    own = uploaded(api, "b.txt", b"mine").json
    done = api.post(path, {"data": {"name": "A", "f": {"key": own["key"]}}}).json
    assert done["data"]["f"][0]["key"] == own["key"]


def test_a_signature_is_for_one_file(api: Api, theirs: Api, nobody: Api) -> None:
    own, foreign = uploaded(api, "a.txt", b"mine").json, uploaded(theirs, "a.txt", b"yours").json
    query = own["url"].partition("?")[2]
    path = own["url"].partition(str(api.port))[2]
    assert nobody.get(path).body == b"mine"
    replies = {
        comparable(sent(nobody, "GET", f"/api/v1/files/{key}?{query}", None))[::2]
        for key in (foreign["key"], UNKNOWN + "/" + "0" * 32 + "/a", own["key"] + "x", "a/b/c")
    }
    assert replies == {(404, b'{"error":"The file is unknown."}')}
