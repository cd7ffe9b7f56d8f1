"""The pages behind links: what they show, take and refuse, without JavaScript."""

from __future__ import annotations

import re
from collections.abc import Callable
from socket import create_connection
from typing import Any
from urllib.parse import urlencode

import pytest
from filled import asking
from living_server import Api, Living, until
from made_tasks import created, form, seen, task_id_of, tracked, uploaded
from mail_server import Mailbox
from people_by_hand import person
from readers import FORM_TYPE, Reader, heading, shown_faults
from requests_by_hand import fresh

from procession.codes import SENT_AN_HOUR_MAX, TRIES_MAX, WRONG_MAX
from procession.engine import Engine
from procession.faces.steps.allowance import TIMES_MAX
from procession.forms.definition import NONCE_FIELD
from procession.store.turn import Turn

FILES = asking("papers", "Papers", "file", required=False, max_files=2, max_file_size=2_000)
WRONG = "This is not the code"


def reader_of(nobody: Api, task: dict[str, Any]) -> Reader:
    return Reader(nobody, task["link_id"])


def mails_to(box: Mailbox, email: str) -> list[str]:
    """The texts of what was mailed to somebody."""
    texts = []
    for place, envelope in enumerate(box.mails):
        if envelope.rcpt_tos == [email]:
            body = box.message(place).get_body(("plain",))
            assert body is not None
            texts.append(str(body.get_content()))
    return texts


def code_for(box: Mailbox, email: str) -> str:
    """The last code somebody was sent."""
    found = re.search(r"\b(\d{6})\b", mails_to(box, email)[-1])
    assert found
    return found[1]


def another(code: str) -> str:
    return f"{(int(code) + 1) % 10**6:06d}"


def test_a_form_is_filled_in_by_its_link_once(api: Api, nobody: Api) -> None:
    task = created(api, title="A visit & more")
    reader = reader_of(nobody, task)
    page = reader.look()
    assert (page.status, heading(page)) == (200, "A visit & more")
    assert page.headers["cache-control"] == "no-store"
    assert "default-src 'none'" in page.headers["content-security-policy"]
    wrong = reader.send(name="  ", more="x")
    assert wrong.status == 400
    assert "is required" in shown_faults(wrong) and "is not a field" in shown_faults(wrong)
    assert heading(reader.send(name="Ada")) == "Thank you"
    assert seen(api, task["task_id"])["data"] == {"name": "Ada"}
    for reply in (reader.look(), reader.send(name="Bo")):
        assert (reply.status, heading(reply)) == (410, "Already answered")
    assert seen(api, task["task_id"])["data"] == {"name": "Ada"}


def test_a_form_that_no_page_gave_out_is_not_taken(api: Api, nobody: Api) -> None:
    task, other = created(api), created(api)
    reader, elsewhere = reader_of(nobody, task), reader_of(nobody, other)
    elsewhere.look()
    for nonce in ("", "x", elsewhere.nonce, elsewhere.nonce[:-1]):
        reader.nonce = nonce
        refused = reader.send(name="Ada")
        assert refused.status == 400 and 'value="Ada"' in refused.body.decode()
    assert seen(api, task["task_id"])["status"] == "pending"
    assert heading(reader.send(name="Ada")) == "Thank you", "the page shown again is good"


def test_files_are_kept_for_the_organization(api: Api, nobody: Api) -> None:
    task = created(api, **form(FILES))
    reader = reader_of(nobody, task)
    reader.look()
    again = reader.send_files({"papers": ("résumé.txt", b"one")}, name="")
    assert again.status == 400 and "résumé.txt" in again.body.decode()
    kept = re.findall(r'name="papers" value="([^"]+)"', again.body.decode())
    assert len(kept) == 1
    done = reader.send_files({"papers": ("b.txt", b"two")}, name="Ada", papers=kept[0])
    assert heading(done) == "Thank you", shown_faults(done)
    papers = seen(api, task["task_id"])["data"]["papers"]
    assert [(file["name"], file["size"], file["type"]) for file in papers] == [
        ("résumé.txt", 3, "text/plain"),
        ("b.txt", 3, "text/plain"),
    ]
    for file, content in zip(papers, (b"one", b"two"), strict=True):
        assert file["key"].startswith("org-1/")
        path = file["url"].removeprefix(f"http://127.0.0.1:{api.port}")
        assert nobody.get(path).body == content
        assert nobody.get(path.partition("?")[0]).status == 404
        assert nobody.get(path[:-1]).status == 404


def test_a_page_takes_no_file_that_was_not_sent_through_it(api: Api, nobody: Api) -> None:
    secret = uploaded(api, "secret.txt", b"for us").json
    task = created(api, **form(FILES))
    reader = reader_of(nobody, task)
    reader.look()
    refused = reader.send(name="Ada", papers=secret["key"])
    assert refused.status == 400 and "is not an uploaded file" in shown_faults(refused)
    answers = {"name": "Ada", "papers": secret["key"]}
    done = api.post(f"/api/v1/tasks/{task['task_id']}/complete", {"data": answers})
    assert done.json["data"]["papers"][0]["name"] == "secret.txt", "the API may"


def test_a_file_that_is_too_large_is_refused(api: Api, nobody: Api) -> None:
    task = created(api, **form(FILES))
    reader = reader_of(nobody, task)
    reader.look()
    refused = reader.send_files({"papers": ("a.txt", b"x" * 2_001)}, name="Ada")
    assert refused.status == 413 and "2000 bytes at most" in shown_faults(refused)
    assert seen(api, task["task_id"])["status"] == "pending"


def test_nobody_fills_the_disk_through_a_link(api: Api, nobody: Api) -> None:
    reader, other = (reader_of(nobody, created(api, **form(FILES))) for _ in range(2))
    file = {"papers": ("a.txt", b"x" * 2_000)}
    reader.look()
    allowed = TIMES_MAX * 2
    statuses = [reader.send_files(file, name="").status for _ in range(allowed + 1)]
    assert statuses == [400] * allowed + [413]
    other.look()
    assert heading(other.send_files(file, name="Ada")) == "Thank you"
    assert heading(reader.send(name="Ada")) == "Thank you", "without files it goes on"


def test_ended_links_say_what_to_do(api: Api, nobody: Api, server: Living) -> None:
    revoked, cancelled, expired = created(api), created(api), created(api)
    path = f"/api/v1/tasks/{revoked['task_id']}/links"
    api.send("DELETE", f"{path}?link_id={revoked['link_id']}")
    api.post(f"/api/v1/tasks/{cancelled['task_id']}/cancel", {})
    server.call(_expire(expired["link_id"]))
    for task, title in (
        (revoked, "This link is no longer valid"),
        (cancelled, "No longer needed"),
        (expired, "This link has expired"),
    ):
        reader = reader_of(nobody, task)
        for reply in (reader.look(), reader.send(name="Ada"), reader.look("HEAD")):
            assert reply.status == 410
        assert heading(reader.look()) == title
    for path in ("/t/unknown", "/t/unknown/code", "/t/a/b/c", "/t/%00", "/t/" + "x" * 300):
        reply = nobody.send("GET" if "code" not in path else "POST", path)
        assert (reply.status, heading(reply)) == (404, "This link does not work")


def _expire(link_id: str) -> Callable[[Engine], Any]:
    return _set(link_id, "UPDATE link SET expires_ms = created_ms WHERE link_id = ?")


def _set(link_id: str, text: str) -> Callable[[Engine], Any]:
    async def change(engine: Engine) -> None:
        async def run(turn: Turn) -> None:
            database: Any = turn.store.connection
            database._db.execute(text, (link_id,))

        await engine.ledger.errand(run)

    return change


def test_somebody_from_outside_passes_a_code_first(api: Api, nobody: Api, box: Mailbox) -> None:
    email = f"{fresh('guest')}@example.org"
    task = created(api, title="Contract of Ada", assignee_email=email)
    reader = reader_of(nobody, task)
    assert reader.look("HEAD").status == 200 and mails_to(box, email) == []
    page = reader.look()
    assert heading(page) == "Enter your code" and email not in page.body.decode()
    assert "Contract of Ada" not in page.body.decode()
    assert len(mails_to(box, email)) == 1
    reader.look()
    assert len(mails_to(box, email)) == 1, "looking again sends no more"
    code = code_for(box, email)
    assert heading(reader.send(name="Ada")) == "Enter your code"
    assert WRONG in shown_faults(reader.try_code(another(code)))
    assert "has 6 digits" in shown_faults(reader.try_code("12345"))
    opened = reader.try_code(f" {code[:3]} {code[3:]} ")
    assert (opened.status, opened.headers["location"]) == (303, reader.path)
    cookie = opened.headers["set-cookie"]
    for word in ("HttpOnly", "SameSite=Strict", f"Path={reader.path}", "Max-Age="):
        assert word in cookie
    assert heading(reader.look()) == "Contract of Ada"
    assert heading(reader.send(name="Ada")) == "Thank you"
    late = Reader(nobody, task["link_id"])
    late.look()
    assert "no longer valid" in shown_faults(late.try_code(code)), "a code opens once"


def test_a_pass_opens_its_own_link_only(api: Api, nobody: Api, box: Mailbox) -> None:
    email = f"{fresh('guest')}@example.org"
    task, other = created(api, assignee_email=email), created(api, assignee_email=email)
    reader, elsewhere = reader_of(nobody, task), reader_of(nobody, other)
    reader.look()
    reader.try_code(code_for(box, email))
    form_page = reader.look()
    assert heading(form_page) == "Sign here"
    elsewhere.look()
    elsewhere.cookie = reader.cookie
    assert heading(elsewhere.look()) == "Enter your code"
    name, _, value = reader.cookie.partition("=")
    until_ms, holder, mac = value.split(".")
    for forged in (
        f"{int(until_ms) + 1}.{holder}.{mac}",
        f"{until_ms}.{'0' * 32}.{mac}",
        f"{until_ms}.{holder}.{'0' * 64}",
        "x",
    ):
        reader.cookie = f"{name}={forged}"
        assert heading(reader.look()) == "Enter your code"
    reader.cookie = f"{name}={value}"
    stolen = elsewhere.nonce
    reader.nonce = stolen
    assert reader.send(name="Ada").status == 400, "a nonce is bound to its pass"


def test_codes_are_few_and_so_are_tries(
    api: Api, nobody: Api, box: Mailbox, server: Living
) -> None:
    email = f"{fresh('guest')}@example.org"
    reader = reader_of(nobody, created(api, assignee_email=email))
    reader.look()
    code = code_for(box, email)
    for left in range(TRIES_MAX - 1, 0, -1):
        reply = reader.try_code(another(code))
        assert WRONG in shown_faults(reply) and f"{left} tr" in shown_faults(reply)
    assert "no longer valid" in shown_faults(reader.try_code(another(code)))
    assert "no longer valid" in shown_faults(reader.try_code(code)), "not even the right one"
    for _ in range(SENT_AN_HOUR_MAX - 1):
        assert reader.ask_code().status == 200
    assert reader.ask_code().status == 429
    assert len(mails_to(box, email)) == SENT_AN_HOUR_MAX
    text = f"UPDATE link SET codes_wrong = {WRONG_MAX} WHERE link_id = ?"
    server.call(_set(reader.path.removeprefix("/t/"), text))
    last = code_for(box, email)
    for reply in (reader.try_code(last), reader.look(), reader.ask_code()):
        assert (reply.status, heading(reply)) == (429, "Too many tries")


def test_the_code_is_kept_as_a_keyed_hash(
    api: Api, nobody: Api, box: Mailbox, server: Living
) -> None:
    email = f"{fresh('guest')}@example.org"
    task = created(api, assignee_email=email)
    reader_of(nobody, task).look()
    code = code_for(box, email)

    async def rows(engine: Engine) -> Any:
        return await engine.store.connection.fetch("get_code", link_id=task["link_id"])

    (kept,) = server.call(rows)
    assert len(kept[0]) == 64 and code not in str(kept)


def test_mail_that_cannot_be_sent_is_said(api: Api, nobody: Api, box: Mailbox) -> None:
    email = f"{fresh('guest')}@example.org"
    box.rcpt[email] = "550 nobody here"
    reply = reader_of(nobody, created(api, assignee_email=email)).look()
    assert reply.status == 503 and "could not be sent" in shown_faults(reply)
    reminded = api.post(f"/api/v1/tasks/{task_id_of(api, assignee_email=email)}/notify")
    assert reminded.status == 503


def test_a_process_is_looked_at_by_its_link(api: Api, nobody: Api, box: Mailbox) -> None:
    process_id = tracked(api, "sign")
    path = f"/api/v1/processes/{process_id}/links"
    email = f"{fresh('guest')}@example.org"
    link = api.post(path, {"assignee_email": email, "require_otp": True}).json
    reader = Reader(nobody, link["link_id"])
    reader.look()
    reader.try_code(code_for(box, email))
    page = reader.look()
    assert (page.status, heading(page)) == (200, "Order") and "sign" in page.body.decode()
    assert reader.send(name="Ada").status == 404


def test_a_form_shows_own_files_of_its_organization_only(
    api: Api, theirs: Api, nobody: Api
) -> None:
    own, foreign = uploaded(api, "a.png", b"x", "image/png"), uploaded(theirs, "b.png", b"y")
    blocks = [
        {"type": "image", "url": f"/api/v1/files/{own.json['key']}", "alt": "ours"},
        {"type": "image", "url": own.json["url"], "alt": "ours too"},
        {"type": "image", "url": f"/api/v1/files/{foreign.json['key']}", "alt": "theirs"},
    ]
    page = reader_of(nobody, created(api, **form(*blocks))).look().body.decode()
    addresses = re.findall(r'<img src="([^"]+)"', page)
    assert len(addresses) in (1, 2) and foreign.json["key"] not in page
    assert nobody.get(addresses[0].replace("&amp;", "&")).body == b"x"


def test_reminders_go_to_the_assignee_and_to_admins(api: Api, box: Mailbox, server: Living) -> None:
    admin, email = person(server, role="admin"), f"{fresh('guest')}@example.org"
    task = created(api, title="Sign me", assignee_email=email, expires_in=600)
    reply = api.post(f"/api/v1/tasks/{task['task_id']}/notify")
    assert reply.json == {"task_id": task["task_id"], "notified": [email], "escalated": False}
    (text,) = mails_to(box, email)
    assert task["url"] in text and "Sign me" in text and "until 20" in text
    more = api.post(f"/api/v1/tasks/{task['task_id']}/notify?escalate=true").json
    assert set(more["notified"]) >= {email, admin} and more["escalated"]
    (told,) = mails_to(box, admin)
    assert task["url"] not in told and "/t/" in told and email in told
    alone = api.post(f"/api/v1/tasks/{task_id_of(api)}/notify")
    assert alone.status == 400 and alone.json["details"][0]["field"] == "assignee_email"


def test_a_link_revoked_while_somebody_sends_takes_nothing(
    api: Api, nobody: Api, server: Living
) -> None:
    task, before = created(api), server.app.load.waiting
    reader = reader_of(nobody, task)
    reader.look()
    body = urlencode({NONCE_FIELD: reader.nonce, "name": "Ada"}).encode()
    with create_connection(("127.0.0.1", api.port), 10) as slow:
        head = f"POST {reader.path} HTTP/1.1\r\nHost: x\r\nContent-Type: {FORM_TYPE}\r\n"
        slow.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body[:-1])
        until(lambda: server.app.load.waiting > before)
        path = f"/api/v1/tasks/{task['task_id']}/links?link_id={task['link_id']}"
        assert api.send("DELETE", path).status == 200
        slow.sendall(body[-1:])
        assert slow.recv(100).startswith(b"HTTP/1.1 410 ")
    assert seen(api, task["task_id"])["status"] == "pending"


@pytest.mark.parametrize("body", [b"name=%ff", b"\xff", b"a=1&" * 1_001])
def test_a_form_that_cannot_be_read_is_refused(api: Api, nobody: Api, body: bytes) -> None:
    reader = reader_of(nobody, created(api))
    reply = nobody.send("POST", reader.path, body, Content_Type="application/x-www-form-urlencoded")
    assert reply.status == 400 and heading(reply) == "This did not work"


def test_the_second_of_two_who_answer_is_told(api: Api, nobody: Api, server: Living) -> None:
    task = created(api)
    readers = [Reader(Api(server.port, None), task["link_id"]) for _ in range(2)]
    for reader in readers:
        reader.look()
    titles = [heading(reader.send(name=f"R{n}")) for n, reader in enumerate(readers)]
    assert titles == ["Thank you", "Already answered"]
    until(lambda: seen(api, task["task_id"])["status"] == "completed")
    for reader in readers:
        reader.api.close()
