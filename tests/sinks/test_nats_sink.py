"""Messages that JetStream keeps, and a server that goes away and comes back."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Iterator

import pytest
from dict_outbox import DictOutbox
from endings import AT_MS, TASK_ID, S, ended, owe, send
from nats_server import NatsServer, nats_server

from procession.sinks.carrier import SinkCarrier
from procession.sinks.definitions import NatsSink
from procession.sinks.nats import NatsPublisher
from procession.webhooks.delivery import DeliveryState


@pytest.fixture(scope="module")
def server() -> Iterator[NatsServer]:
    with nats_server() as running:
        running.make_stream("forms.>")
        yield running


def carrier(server: NatsServer) -> SinkCarrier:
    return SinkCarrier(NatsPublisher(server.url), None)


def test_a_message_is_kept_before_it_counts_as_delivered(server: NatsServer) -> None:
    outbox = DictOutbox()
    row = owe(outbox, NatsSink("forms.done"), ended())
    send(outbox, carrier(server), AT_MS)
    assert row.state == DeliveryState.DELIVERED
    answer = outbox.outcomes[0].answer
    said = json.loads(answer.head)
    assert (answer.status, said["stream"], said["duplicate"]) == (200, "forms", False)
    message = server.kept()[said["seq"] - 1]
    assert message.subject == "forms.done"
    body = json.loads(message.data or b"")
    assert (body["event"], body["task_id"], body["source"]) == ("task.completed", TASK_ID, "hpi")
    assert (message.headers or {})["Nats-Msg-Id"] == f"{TASK_ID}-1"


def test_a_repeat_is_dropped_by_the_stream(server: NatsServer) -> None:
    other = "00000000-0000-4000-8000-000000000000"
    before = len(server.kept())
    for repeat in (False, True):
        outbox = DictOutbox()
        owe(outbox, NatsSink("forms.again"), ended(task_id=other))
        send(outbox, carrier(server), AT_MS)
        assert json.loads(outbox.outcomes[0].answer.head)["duplicate"] is repeat
    assert len(server.kept()) == before + 1


def test_a_subject_without_a_stream_is_a_failure_that_is_tried_again(server: NatsServer) -> None:
    outbox = DictOutbox()
    row = owe(outbox, NatsSink("nobody.listens"), ended())
    send(outbox, carrier(server), AT_MS)
    assert row.state == DeliveryState.PENDING
    assert (outbox.outcomes[0].answer.status, outbox.outcomes[0].attempt) == (503, 1)


def test_a_server_that_is_away_costs_tries_and_no_message(server: NatsServer) -> None:
    outbox, ours = DictOutbox(), carrier(server)
    row = owe(outbox, NatsSink("forms.later"), ended(task_id="later"))
    server.stop()
    try:
        send(outbox, ours, AT_MS)
        assert (row.state, outbox.outcomes[0].answer.status) == (DeliveryState.PENDING, None)
        assert AT_MS + 5 * S <= row.next_ms < AT_MS + 10 * S
    finally:
        server.start()
    send(outbox, ours, row.next_ms)
    assert row.state == DeliveryState.DELIVERED
    assert [outcome.attempt for outcome in outbox.outcomes] == [1, 2]


def test_a_publisher_outlives_a_restart_of_its_server(server: NatsServer) -> None:
    async def over_a_restart() -> list[int | None]:
        publisher = NatsPublisher(server.url)
        found = [(await publisher.publish("forms.x", b"{}", "r1")).status]
        await asyncio.to_thread(server.stop)
        found.append((await publisher.publish("forms.x", b"{}", "r2")).status)
        await asyncio.to_thread(server.start)
        found.append((await publisher.publish("forms.x", b"{}", "r2")).status)
        await publisher.close()
        return found

    assert asyncio.run(over_a_restart()) == [200, None, 200]


def test_a_message_over_the_servers_limit_is_given_up(server: NatsServer) -> None:
    outbox = DictOutbox()
    row = owe(outbox, NatsSink("forms.big"), ended(data={"note": "x" * 1_100_000}))
    send(outbox, carrier(server), AT_MS)
    assert row.state == DeliveryState.FAILED
    assert outbox.outcomes[0].answer.status == 413


def test_a_server_that_says_nothing_is_left_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("procession.sinks.nats.CONNECT_S_MAX", 0.2)
    monkeypatch.setattr("procession.sinks.nats.ACK_S_MAX", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        outbox = DictOutbox()
        row = owe(outbox, NatsSink("forms.done"), ended())
        url = f"nats://127.0.0.1:{silent.getsockname()[1]}"
        send(outbox, SinkCarrier(NatsPublisher(url), None), AT_MS)
    assert (row.state, outbox.outcomes[0].answer.status) == (DeliveryState.PENDING, None)


def test_without_a_server_the_message_waits() -> None:
    outbox = DictOutbox()
    row = owe(outbox, NatsSink("forms.done"), ended())
    send(outbox, SinkCarrier(None, None), AT_MS)
    assert row.state == DeliveryState.PENDING
    assert "nats_url" in (outbox.outcomes[0].answer.error or "")
