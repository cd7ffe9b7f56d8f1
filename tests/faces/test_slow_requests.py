"""A client that does not finish what it began is let go of; one that is done is left alone."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from living_server import OURS, Api, Living, living
from requests_by_hand import capability_request, fresh

LATE_MS = 400
TIMEOUT_S = 20.0
HEAD = b"GET /capabilities HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + OURS.encode() + b"\r\n"


@pytest.fixture(scope="module")
def hasty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Living]:
    """A server that waits for heads and bodies only briefly."""
    with living(tmp_path_factory.mktemp("hasty"), body_ms_max=LATE_MS) as one:
        yield one


@pytest.fixture
def line(hasty: Living) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", hasty.port), timeout=TIMEOUT_S) as connection:
        yield connection


def submission() -> dict[str, Any]:
    return capability_request(request_id=fresh(), target={"routing": "queue"})


def enqueue(body: bytes, length: int) -> bytes:
    return (
        b"POST /capability-requests/enqueue HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer "
        + OURS.encode()
        + b"\r\nContent-Length: %d\r\n\r\n" % length
        + body
    )


def rest(connection: socket.socket) -> bytes:
    """What is said until the server closes."""
    found = b""
    while more := connection.recv(65_536):
        found += more
    return found


def answer(connection: socket.socket) -> bytes:
    """One answer with a length; the connection stays open."""
    found = b""
    while b"\r\n\r\n" not in found:
        found += connection.recv(1)
    length = int(found.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
    while length > 0:
        more = connection.recv(length)
        found, length = found + more, length - len(more)
    return found


def test_a_head_that_never_ends_closes_the_connection(line: socket.socket) -> None:
    began = time.monotonic()
    line.sendall(HEAD)
    assert rest(line) == b""
    assert time.monotonic() - began >= LATE_MS / 1_000 * 0.9


def test_a_silent_connection_is_closed(line: socket.socket) -> None:
    assert rest(line) == b""


def test_a_head_that_trickles_in_is_cut_off_all_the_same(line: socket.socket) -> None:
    began = time.monotonic()
    line.settimeout(LATE_MS / 1_000 / 8)
    line.sendall(HEAD)
    while time.monotonic() - began < TIMEOUT_S:
        try:
            line.sendall(b"X")
            assert line.recv(1) == b""
        except TimeoutError:
            continue
        except ConnectionError:
            pass
        break
    assert time.monotonic() - began < TIMEOUT_S / 2


def test_a_second_head_that_never_ends_closes_the_connection(line: socket.socket) -> None:
    line.sendall(HEAD + b"\r\n")
    assert answer(line).startswith(b"HTTP/1.1 200 ")
    line.sendall(HEAD)
    assert rest(line) == b""


def test_half_a_head_behind_a_whole_request_closes_the_connection(line: socket.socket) -> None:
    line.sendall(HEAD + b"\r\n" + HEAD)
    assert rest(line).count(b"HTTP/1.1 200 ") == 1


def test_a_head_in_pieces_is_served_and_its_connection_kept(line: socket.socket) -> None:
    for _ in range(2):
        for piece in (HEAD[:10], HEAD[10:60], HEAD[60:], b"\r\n"):
            line.sendall(piece)
            time.sleep(LATE_MS / 1_000 / 20)
        assert answer(line).startswith(b"HTTP/1.1 200 ")
    time.sleep(LATE_MS / 1_000 * 1.5)
    line.sendall(HEAD + b"\r\n")
    assert answer(line).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("sent", [0, 5])
def test_a_body_that_never_ends_is_told_so_and_cut_off(line: socket.socket, sent: int) -> None:
    body = json.dumps(submission()).encode()
    line.sendall(enqueue(body[:sent], len(body)))
    said = rest(line)
    assert said.startswith(b"HTTP/1.1 408 ") and b"body_too_slow" in said


def test_a_body_in_pieces_is_taken(line: socket.socket) -> None:
    body = json.dumps(submission()).encode()
    line.sendall(enqueue(b"", len(body)))
    for start in range(0, len(body), 100):
        line.sendall(body[start : start + 100])
        time.sleep(LATE_MS / 1_000 / 100)
    assert answer(line).startswith(b"HTTP/1.1 202 ")


def test_a_request_that_waits_is_not_late(hasty: Living) -> None:
    with closing(Api(hasty.port)) as api:
        made = api.post("/capability-requests/enqueue", submission())
        began = time.monotonic()
        path = f"/processes/{made.json['process_id']}?wait=1&version=9999"
        assert api.get(path).status == 304
        assert time.monotonic() - began >= LATE_MS / 1_000
