"""The proxy's file at work: real HAProxy, two real servers, one PostgreSQL."""

from __future__ import annotations

import http.client
import signal
import time
from collections.abc import Iterator
from contextlib import closing

import pytest
from behind_proxy import TOKEN, Behind, behind_proxy, request, until

ENQUEUE = "/capability-requests/enqueue"
SUBMISSIONS = 150
KILLED_AT = 50
HEARD_S_MAX = 8.0


@pytest.fixture(scope="module")
def behind(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Behind]:
    with behind_proxy(tmp_path_factory.mktemp("proxied")) as one:
        yield one


def submit(behind: Behind, request_id: str) -> str:
    """The process of a submission, which is accepted at the first try."""
    answer = behind.ask("POST", ENQUEUE, request(request_id))
    assert answer.status == 202, answer
    process_id: str = answer.body["process_id"]
    return process_id


def heard(stream: http.client.HTTPResponse, word: bytes) -> None:
    """Read on until a line begins so. Fails at the stream's end."""
    while line := stream.readline():
        if line.startswith(word):
            return
    raise AssertionError(f"the stream ended without {word!r}")


def test_a_stream_passes_the_proxy_event_by_event(behind: Behind) -> None:
    process_id = submit(behind, "streamed")
    with closing(behind.connect()) as connection:
        path = f"/processes/{process_id}/stream"
        connection.request("GET", path, headers={"Authorization": f"Bearer {TOKEN}"})
        stream = connection.getresponse()
        assert stream.status == 200
        heard(stream, b"data: ")
        body = {"reason": "over", "requested_by": {}, "strategy": "hard"}
        asked_s = time.monotonic()
        assert behind.ask("POST", f"/processes/{process_id}/cancel", body).status == 200
        heard(stream, b"event: done")
        assert time.monotonic() - asked_s < HEARD_S_MAX


def test_who_asks_through_the_proxy_is_not_taken_for_this_machine(behind: Behind) -> None:
    assert behind.ask("GET", "/metrics", token="").status == 401
    assert behind.ask("GET", "/metrics").status == 200


def test_a_killed_server_costs_no_submission_and_no_error(behind: Behind) -> None:
    accepted = []
    for number in range(SUBMISSIONS):
        if number == KILLED_AT:
            behind.servers[0].send_signal(signal.SIGKILL)
            behind.servers[0].wait()
        accepted.append(submit(behind, f"kept-{number}"))
    assert len(set(accepted)) == SUBMISSIONS
    for process_id in accepted:
        assert behind.ask("GET", f"/processes/{process_id}").status == 200
    behind.servers[0] = behind.start(0)
    until(lambda: len(behind.seen()) == 2, "the server that was started again")


def test_a_server_that_is_told_to_end_lets_no_caller_wait(behind: Behind) -> None:
    behind.servers[1].send_signal(signal.SIGTERM)
    for number in range(SUBMISSIONS):
        submit(behind, f"drained-{number}")
    assert behind.servers[1].wait(20) == 0
