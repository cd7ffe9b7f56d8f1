"""What a webhook of a task receives, checked with none of our own code."""

from __future__ import annotations

import hashlib
import hmac
import json
import threading
import time

from callback_receiver import Receiver, hang, reply
from dict_outbox import DictOutbox
from endings import AT_MS, TASK_ID, S, ended, owe, send
from standardwebhooks import Webhook

from procession.sinks.carrier import WEBHOOK_SCHEDULE, SinkCarrier
from procession.sinks.definitions import NatsSink, WebhookSink, make_webhook_secret
from procession.webhooks.carrier import HttpPost
from procession.webhooks.delivery import Answer, Delivery, DeliveryState, Schedule

SECRET = make_webhook_secret(bytes(range(24)))
CARRIER = SinkCarrier(None, None)


def test_a_completed_task_arrives_signed_twice() -> None:
    receiver, outbox = Receiver(), DictOutbox()
    with receiver.listening() as address:
        row = owe(outbox, WebhookSink(address + "/hook?x=1", SECRET), ended(), place=3)
        send(outbox, CARRIER, int(time.time() * 1_000))
    (request,) = receiver.received
    assert request.path == "/hook?x=1"
    assert json.loads(request.body) == {
        "source": "hpi",
        "event": "task.completed",
        "task_id": TASK_ID,
        "correlation_key": "order-77",
        "timestamp": "2026-03-22T08:30:00Z",
        "data": {"ok": True, "note": "box 7 was open", "state": "g"},
    }
    expected = hmac.new(SECRET.encode(), request.body, hashlib.sha256).hexdigest()
    assert request.headers["x-webhook-signature"] == f"sha256={expected}"
    assert request.headers["x-webhook-event"] == "task.completed"
    assert request.headers["x-webhook-task-id"] == TASK_ID
    assert request.headers["content-type"] == "application/json"
    assert request.headers["webhook-id"] == f"{TASK_ID}_completed_3"
    assert Webhook(SECRET).verify(request.body, request.headers)
    assert not [name for name in request.headers if "phonefarm" in name]
    assert "phonefarm" not in request.headers["user-agent"]
    assert row.state == DeliveryState.DELIVERED


def test_a_task_that_was_not_completed_gives_its_reason_and_no_data() -> None:
    receiver, outbox = Receiver(), DictOutbox()
    with receiver.listening() as address:
        owe(outbox, WebhookSink(address, "plain"), ended("cancelled"))
        bare = ended("failed", reason=None, correlation_key=None)
        owe(outbox, WebhookSink(address, "plain"), bare)
        send(outbox, CARRIER, AT_MS)
    cancelled, failed = (json.loads(request.body) for request in receiver.received)
    assert (cancelled["event"], cancelled["reason"]) == ("task.cancelled", "no longer needed")
    assert "data" not in cancelled and "data" not in failed
    assert (failed["event"], failed["reason"], failed["correlation_key"]) == (
        "task.failed",
        None,
        None,
    )


def test_it_is_tried_at_once_after_5_s_and_after_30_s_then_given_up() -> None:
    receiver, outbox = Receiver(replies=[reply(500)]), DictOutbox()
    with receiver.listening() as address:
        row = owe(outbox, WebhookSink(address, "s"), ended())
        send(outbox, CARRIER, AT_MS)
        assert AT_MS + 5 * S <= row.next_ms < AT_MS + 6 * S
        send(outbox, CARRIER, AT_MS + 4 * S)
        assert len(receiver.received) == 1
        send(outbox, CARRIER, row.next_ms)
        assert row.state == DeliveryState.PENDING
        second_ms = row.next_ms
        assert 30 * S <= second_ms - (AT_MS + 5 * S) < 32 * S
        send(outbox, CARRIER, second_ms)
    assert len(receiver.received) == 3
    assert len({request.headers["webhook-id"] for request in receiver.received}) == 1
    assert row.state == DeliveryState.FAILED
    assert [outcome.answer.status for outcome in outbox.outcomes] == [500] * 3


def test_a_receiver_that_hangs_is_left_in_time() -> None:
    let_go = threading.Event()
    receiver, outbox = Receiver(replies=[hang(let_go)]), DictOutbox()
    with receiver.listening() as address:
        row = owe(outbox, WebhookSink(address, "s"), ended())
        send(outbox, CARRIER, AT_MS, total_ms=200)
        let_go.set()
    assert row.state == DeliveryState.PENDING
    assert outbox.outcomes[0].answer.error == "no complete answer in time"


def test_an_address_that_may_not_be_called_is_not_called() -> None:
    outbox = DictOutbox()
    row = owe(outbox, WebhookSink("http://10.0.0.1/", "s"), ended())
    send(outbox, CARRIER, AT_MS)
    assert row.state == DeliveryState.PENDING
    assert "AddressRefused" in (outbox.outcomes[0].answer.error or "")


def test_plain_callbacks_go_out_as_before_beside_sinks() -> None:
    receiver, outbox = Receiver(), DictOutbox()
    with receiver.listening() as address:
        outbox.add(address + "/callback", next_ms=AT_MS)
        owe(outbox, WebhookSink(address + "/sink", "s"), ended())
        send(outbox, CARRIER, AT_MS)
    assert sorted(request.path for request in receiver.received) == ["/callback", "/sink"]
    by_path = {request.path: request.headers for request in receiver.received}
    assert "x-webhook-event" not in by_path["/callback"]


class Broken:
    """A carrier with a fault in it."""

    def schedule_of(self, _: Delivery) -> Schedule:
        return WEBHOOK_SCHEDULE

    async def carry(self, delivery: Delivery, _: int, __: HttpPost) -> Answer:
        raise RuntimeError("a fault of ours")

    async def close(self) -> None:
        return


def test_a_fault_of_ours_costs_its_own_delivery_a_try_and_no_other_one() -> None:
    outbox = DictOutbox()
    rows = [owe(outbox, NatsSink("forms.done"), ended()) for _ in range(2)]
    send(outbox, Broken(), AT_MS)
    assert [row.delivery.attempt for row in rows] == [1, 1]
    assert [outcome.answer.error for outcome in outbox.outcomes] == ["RuntimeError"] * 2
