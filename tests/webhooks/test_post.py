import socket
import threading
import time
from email.utils import formatdate

import pytest
from callback_receiver import Received, Receiver, hang, raw, reply
from dict_outbox import DictOutbox
from sending import NOW_MS, QUICK, S, send_one, step
from standardwebhooks import Webhook

from procession.webhooks.delivery import DeliveryState
from procession.webhooks.signing import Secret


def test_a_callback_arrives_as_promised() -> None:
    receiver, outbox = Receiver(), DictOutbox()
    with receiver.listening() as address:
        outbox.add(address + "/hook?a=b%20c", seq=7)
        # The receiver's library takes nothing that is older than five minutes.
        now_ms = int(time.time() * 1_000)
        assert step(outbox, now_ms, secrets=[Secret("whsec_c2VjcmV0")]) == 1
    (request,) = receiver.received
    assert request.path == "/hook?a=b%20c"
    assert request.body == b'{"seq":7}'
    assert request.headers["content-type"] == "application/json"
    assert request.headers["user-agent"] == "phonefarm-callback/1.0"
    assert request.headers["webhook-id"] == "p1_7"
    assert Webhook("whsec_c2VjcmV0").verify(request.body, request.headers) == {"seq": 7}
    assert outbox.outcomes[0].state == DeliveryState.DELIVERED


def test_without_a_secret_there_is_no_signature() -> None:
    receiver = Receiver()
    send_one(receiver)
    names = receiver.received[0].headers
    assert not [name for name in names if "signature" in name or "timestamp" in name]


def test_a_failure_is_kept_with_its_answer_and_tried_again() -> None:
    outcome = send_one(Receiver(replies=[reply(500, b"broken")]))
    assert outcome.answer.status == 500
    assert outcome.answer.head == b"broken"
    assert outcome.answer.duration_ms >= 0
    assert outcome.state == DeliveryState.PENDING
    assert outcome.next_ms is not None
    waited_ms = outcome.next_ms - (NOW_MS + outcome.answer.duration_ms)
    assert 5 * S <= waited_ms < 6 * S  # the sender's own clock counts what lies around the POST


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_a_failure_and_its_target_gets_no_request(status: int) -> None:
    target = Receiver()
    with target.listening() as there:
        outcome = send_one(Receiver(replies=[reply(status, Location=there + "/x")]))
    assert outcome.answer.status == status
    assert outcome.state == DeliveryState.PENDING
    assert target.connections == 0


def test_a_huge_answer_is_read_no_further_than_its_beginning() -> None:
    sent = 0

    def flood(connection: socket.socket, _: Received) -> None:
        nonlocal sent
        size = 10 * 1024 * 1024
        connection.sendall(f"HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n".encode())
        while sent < size:
            sent += connection.send(b"x" * 65_536)

    outcome = send_one(Receiver(replies=[flood]))
    assert outcome.state == DeliveryState.DELIVERED
    assert outcome.answer.head == b"x" * QUICK.answer_bytes_max
    assert sent < 10 * 1024 * 1024


def test_a_packed_answer_is_not_unpacked() -> None:
    outcome = send_one(Receiver(replies=[reply(200, b"\x1f\x8bnot gzip", Content_Encoding="gzip")]))
    assert outcome.state == DeliveryState.DELIVERED
    assert outcome.answer.head == b"\x1f\x8bnot gzip"


@pytest.mark.parametrize(
    "value", ["120", formatdate(NOW_MS / 1000 + 120, usegmt=True)], ids=["seconds", "date"]
)
def test_a_receiver_may_ask_for_a_pause(value: str) -> None:
    outcome = send_one(Receiver(replies=[reply(503, Retry_After=value)]), NOW_MS // 1000 * 1000)
    assert outcome.next_ms is not None
    assert 119 * S <= outcome.next_ms - NOW_MS <= 122 * S


def test_a_receiver_that_is_gone_is_left_alone() -> None:
    outcome = send_one(Receiver(replies=[reply(410)]))
    assert (outcome.state, outcome.next_ms) == (DeliveryState.FAILED, None)


def test_a_connection_closed_before_the_status_is_a_failure() -> None:
    for cut in (b"", b"HTTP/1.1 2", b"HTTP/1.1 200 OK\r\nContent-Le"):
        outcome = send_one(Receiver(replies=[raw(cut)]))
        assert outcome.answer.status is None
        assert outcome.answer.error
        assert outcome.state == DeliveryState.PENDING


def test_a_connection_closed_after_the_status_is_an_answer() -> None:
    for status, state in ((200, DeliveryState.DELIVERED), (500, DeliveryState.PENDING)):
        cut = f"HTTP/1.1 {status} X\r\nContent-Length: 100\r\n\r\nbegin".encode()
        outcome = send_one(Receiver(replies=[raw(cut)]))
        assert (outcome.answer.status, outcome.state) == (status, state)
        assert outcome.answer.error
        assert outcome.answer.head == b"begin"


@pytest.mark.parametrize(
    "answer",
    [
        b"not http at all\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 20_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"".join(b"X%d: y\r\n" % n for n in range(500)) + b"\r\n",
        b"HTTP/1.1 999999 OK\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n" * 50,
    ],
)
def test_a_malformed_or_oversized_head_is_a_failure(answer: bytes) -> None:
    outcome = send_one(Receiver(replies=[raw(answer)]))
    assert outcome.answer.status is None
    assert outcome.state == DeliveryState.PENDING
    assert len(outcome.answer.error or "") <= 500


def test_a_hanging_receiver_is_cut_off() -> None:
    let_go = threading.Event()
    outcome = send_one(Receiver(replies=[hang(let_go)]))
    let_go.set()
    assert outcome.answer.error == "no complete answer in time"
    assert QUICK.total_ms <= outcome.answer.duration_ms < QUICK.total_ms + 2_000


def test_an_answer_that_drips_is_cut_off_but_its_status_counts() -> None:
    def drip(connection: socket.socket, _: Received) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 4000\r\n\r\n")
        for _number in range(4_000):
            connection.sendall(b"x")
            time.sleep(0.02)

    outcome = send_one(Receiver(replies=[drip]))
    assert outcome.state == DeliveryState.DELIVERED
    assert outcome.answer.duration_ms < QUICK.total_ms + 2_000
