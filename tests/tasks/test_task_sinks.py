"""Webhook, NATS and mail hear of a task's end through the one outbox of a real server."""

from __future__ import annotations

import hmac
import json
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from callback_receiver import Received, Receiver
from deadline import until
from living_server import Api, living
from made_tasks import ANSWER, created
from mail_server import Mailbox, mail_server
from nats_server import NatsServer, nats_server

SECRET = "whsec_c2VjcmV0LXNlY3JldC1zZWNyZXQ="


class Around(NamedTuple):
    """A server and all it can reach."""

    api: Api
    receiver: Receiver
    hook: str
    nats: NatsServer
    box: Mailbox


@pytest.fixture(scope="module")
def around(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Around]:
    folder: Path = tmp_path_factory.mktemp("sinks")
    box, receiver = Mailbox(), Receiver()
    with mail_server(box) as port, nats_server() as nats, receiver.listening() as address:
        nats.make_stream("forms.>")
        settings = {
            "smtp_url": f"smtp://127.0.0.1:{port}",
            "mail_from": "forms@example.com",
            "nats_url": nats.url,
        }
        with living(folder, **settings) as server:
            api = Api(server.port)
            yield Around(api, receiver, address, nats, box)
            api.close()


def sinks_of(around: Around, path: str, **words: object) -> list[dict[str, object]]:
    return [
        {"type": "webhook", "url": around.hook + path, "secret": SECRET, **words},
        {"type": "nats", "subject": "forms.done", **words},
        {"type": "email", "to": "ann@example.com", **words},
    ]


def heard(around: Around, path: str) -> list[Received]:
    return [one for one in around.receiver.received if one.path == path]


def test_all_kinds_of_sinks_hear_of_an_end_and_the_log_tells_of_each(around: Around) -> None:
    task = created(around.api, sinks=sinks_of(around, "/all"), correlation_key="order-77")
    task_id = task["task_id"]
    done = around.api.post(f"/api/v1/tasks/{task_id}/complete", {"data": ANSWER})
    assert done.status == 200, done
    until(lambda: heard(around, "/all") and around.nats.kept() and around.box.mails, what="all")
    (hook,) = heard(around, "/all")
    body = json.loads(hook.body)
    assert (body["event"], body["task_id"]) == ("task.completed", task_id)
    assert (body["correlation_key"], body["data"]) == ("order-77", ANSWER)
    wanted = hmac.new(SECRET.encode(), hook.body, "sha256").hexdigest()
    assert hook.headers["x-webhook-signature"] == f"sha256={wanted}"
    assert around.nats.kept()[-1].data == hook.body
    mail = around.box.message(-1)
    assert "Sign here" in str(mail["subject"])
    assert [part.get_content_type() for part in mail.iter_attachments()] == ["application/pdf"]
    logged = around.api.get(f"/processes/{task_id}/deliveries").json["deliveries"]
    assert {one["origin"] for one in logged} == {around.hook, "nats:", "mailto:"}
    until(
        lambda: all(
            one["status"] == "delivered"
            for one in around.api.get(f"/processes/{task_id}/deliveries").json["deliveries"]
        ),
        what="the log",
    )


def test_a_sink_hears_only_of_the_ends_it_asked_for(around: Around) -> None:
    mails = len(around.box.mails)
    quiet = sinks_of(around, "/quiet", events=["completed"])
    task = created(around.api, sinks=[*quiet, *sinks_of(around, "/loud", events=["cancelled"])])
    cancel = {"reason": "no longer needed"}
    assert around.api.post(f"/api/v1/tasks/{task['task_id']}/cancel", cancel).status == 200
    until(lambda: heard(around, "/loud") and len(around.box.mails) > mails, what="the cancel")
    (hook,) = heard(around, "/loud")
    body = json.loads(hook.body)
    assert (body["event"], body["reason"]) == ("task.cancelled", "no longer needed")
    assert "data" not in body
    assert heard(around, "/quiet") == []
    assert len(around.box.mails) == mails + 1
