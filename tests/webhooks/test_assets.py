import asyncio
import socket
import threading
import time

import pytest
from callback_receiver import GUARD, Received, Receiver, Reply, hang, raw, reply

from procession.webhooks import assets
from procession.webhooks.assets import AssetInfo, AssetRefused, head_asset
from procession.webhooks.guard import AddressGuard, UrlRefused


def ask(receiver: Receiver, guard: AddressGuard = GUARD) -> AssetInfo:
    with receiver.listening() as address:
        return asyncio.run(head_asset(guard, address + "/clip.mp4", "video_path"))


def head(status: int, **headers: str) -> Reply:
    """An answer without a body, as HEAD wants it."""

    def send(connection: socket.socket, _: Received) -> None:
        lines = [
            f"HTTP/1.1 {status} X",
            *(f"{k.replace('_', '-')}: {v}" for k, v in headers.items()),
        ]
        connection.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())

    return send


def test_an_asset_is_known_by_its_headers() -> None:
    receiver = Receiver(replies=[head(200, Content_Type="video/mp4", Content_Length="1234567")])
    assert ask(receiver) == AssetInfo(200, "video/mp4", 1_234_567)
    assert receiver.received[0].body == b""


def test_headers_that_say_nothing_are_none() -> None:
    assert ask(Receiver(replies=[head(204)])) == AssetInfo(204, None, None)


@pytest.mark.parametrize("status", [405, 501])
def test_a_server_without_head_is_asked_for_one_byte(status: int) -> None:
    part = reply(206, b"x", Content_Range="bytes 0-0/98765", Content_Type="video/mp4")
    receiver = Receiver(replies=[head(status, Content_Length="0"), part])
    assert ask(receiver) == AssetInfo(206, "video/mp4", 98_765)
    assert receiver.received[1].headers["range"] == "bytes=0-0"


def test_a_whole_file_in_answer_to_one_byte_is_not_read() -> None:
    sent = 0

    def flood(connection: socket.socket, _: Received) -> None:
        nonlocal sent
        size = 50 * 1024 * 1024
        connection.sendall(f"HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n".encode())
        while sent < size:
            sent += connection.send(b"x" * 65_536)

    receiver = Receiver(replies=[head(405, Content_Length="0"), flood])
    assert ask(receiver).size_bytes == 50 * 1024 * 1024
    assert sent < 50 * 1024 * 1024


@pytest.mark.parametrize("status", [301, 302, 307, 400, 401, 403, 404, 410, 500, 503])
def test_everything_but_2xx_is_refused(status: int) -> None:
    target = Receiver()
    with target.listening() as there, pytest.raises(AssetRefused, match=str(status)) as refused:
        ask(Receiver(replies=[head(status, Location=there, Content_Length="0")]))
    assert target.connections == 0
    assert "video_path" in str(refused.value)


def test_a_server_that_hangs_is_given_up_within_the_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(assets, "TOTAL_MS", 300)
    let_go = threading.Event()
    began = time.monotonic()
    with pytest.raises(AssetRefused, match="300 ms"):
        ask(Receiver(replies=[hang(let_go)]))
    let_go.set()
    assert time.monotonic() - began < 3


def test_both_questions_share_one_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(assets, "TOTAL_MS", 300)
    let_go = threading.Event()
    with pytest.raises(AssetRefused, match="300 ms"):
        ask(Receiver(replies=[head(405, Content_Length="0"), hang(let_go)]))
    let_go.set()


@pytest.mark.parametrize("answer", [b"", b"nonsense\r\n\r\n", b"HTTP/1.1 20"])
def test_an_answer_that_is_not_http_is_refused(answer: bytes) -> None:
    with pytest.raises(AssetRefused):
        ask(Receiver(replies=[raw(answer)]))


def test_a_private_address_is_never_asked() -> None:
    receiver = Receiver()
    with pytest.raises(UrlRefused, match="video_path"):
        ask(receiver, AddressGuard())
    assert receiver.connections == 0


def test_a_name_with_a_private_address_is_never_asked() -> None:
    async def names(host: str, port: int) -> list[str]:
        return ["8.8.8.8", "169.254.169.254"]

    with pytest.raises(UrlRefused):
        asyncio.run(head_asset(AddressGuard(lookup=names), "http://assets.example/clip.mp4"))
