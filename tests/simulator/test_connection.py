"""The protocol's corners that no adb binary shows: old versions, small payloads, bad peers."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from procession.simulator.hosted import hosted
from procession.simulator.phone import Phone
from procession.simulator.wire import CLSE, CNXN, OKAY, OPEN, WRTE, Decoder, Message, encode

OLD, NEW = 0x01000000, 0x01000001


@pytest.fixture
def lone_phone() -> Iterator[Phone]:
    with hosted(1) as fleet:
        yield fleet.phones[0]


class Peer:
    """A raw connection to a phone."""

    def __init__(self, phone: Phone, version: int = NEW, payload_bytes_max: int = 4096) -> None:
        host, _, port = phone.address.rpartition(":")
        self.socket = socket.create_connection((host, int(port)), timeout=10)
        self.decoder, self.waiting, self.checksum = Decoder(), list[Message](), True
        self.send(Message(CNXN, version, payload_bytes_max, b"host::features=shell_v2"))
        self.greeting = self.receive()

    def send(self, message: Message) -> None:
        self.socket.sendall(encode(message, self.checksum))

    def receive(self) -> Message:
        while not self.waiting:
            data = self.socket.recv(65536)
            if not data:
                raise EOFError
            self.waiting += self.decoder.feed(data)
        return self.waiting.pop(0)

    def __enter__(self) -> Peer:
        return self

    def __exit__(self, *_error: object) -> None:
        self.socket.close()


@pytest.mark.parametrize(("version", "agreed"), [(OLD, OLD), (NEW, NEW), (NEW + 7, NEW)])
def test_the_lower_version_is_agreed_on(lone_phone: Phone, version: int, agreed: int) -> None:
    with Peer(lone_phone, version) as peer:
        assert (peer.greeting.command, peer.greeting.arg0) == (CNXN, agreed)
        assert b"features=shell_v2,stat_v2,ls_v2,sendrecv_v2,fixed_push_mkdir" in (
            peer.greeting.payload
        )


def test_an_old_peer_gets_checksums(lone_phone: Phone) -> None:
    with Peer(lone_phone, OLD) as peer:
        peer.send(Message(OPEN, 7, 0, b"exec:echo hi\0"))
        assert peer.receive().command == OKAY
        raw = peer.socket.recv(24 + 3)
        assert int.from_bytes(raw[16:20], "little") == sum(b"hi\n")


def test_one_message_waits_for_its_confirmation_before_the_next(lone_phone: Phone) -> None:
    with Peer(lone_phone, payload_bytes_max=4) as peer:
        peer.send(Message(OPEN, 7, 0, b"exec:echo 0123456\0"))
        accepted, first = peer.receive(), peer.receive()
        assert (accepted.command, accepted.arg1, first.payload) == (OKAY, 7, b"0123")
        peer.socket.settimeout(0.2)
        with pytest.raises(TimeoutError):
            peer.receive()
        peer.socket.settimeout(10)
        peer.send(Message(OKAY, 7, first.arg0))
        assert peer.receive().payload == b"456\n"
        peer.send(Message(OKAY, 7, first.arg0))
        assert peer.receive().command == CLSE


def test_an_unknown_service_is_closed_at_once(lone_phone: Phone) -> None:
    with Peer(lone_phone) as peer:
        for service in (b"tcp:80\0", b"nonsense\0", b"\0", b"jdwp:1\0"):
            peer.send(Message(OPEN, 9, 0, service))
            assert peer.receive() == Message(CLSE, 0, 9)


def test_nothing_is_served_before_the_greeting(lone_phone: Phone) -> None:
    with Peer(lone_phone) as greeted:
        host, _, port = lone_phone.address.rpartition(":")
        with socket.create_connection((host, int(port)), timeout=0.3) as silent:
            silent.sendall(encode(Message(OPEN, 1, 0, b"shell:echo x\0"), True))
            with pytest.raises(TimeoutError):
                silent.recv(1)
        assert greeted.greeting.command == CNXN


def test_a_peer_that_sends_nonsense_is_cut_off(lone_phone: Phone) -> None:
    with Peer(lone_phone) as peer:
        peer.socket.sendall(b"GET / HTTP/1.1\r\nHost: phone\r\n\r\n")
        with pytest.raises((EOFError, ConnectionError)):
            peer.receive()


def test_a_stream_that_the_peer_closes_ends_its_command(lone_phone: Phone) -> None:
    with Peer(lone_phone) as peer:
        peer.send(Message(OPEN, 7, 0, b"shell:sleep 600\0"))
        accepted = peer.receive()
        peer.send(Message(CLSE, 7, accepted.arg0))
        assert peer.receive() == Message(CLSE, accepted.arg0, 7)


def test_too_many_streams_are_refused_and_the_others_go_on(lone_phone: Phone) -> None:
    with Peer(lone_phone) as peer:
        for number in range(1, 258):
            peer.send(Message(OPEN, number, 0, b"shell:sleep 600\0"))
        answers = [peer.receive().command for _ in range(257)]
        assert sorted(answers) == sorted([OKAY] * 256 + [CLSE])


def test_an_unknown_file_request_fails_with_a_message(lone_phone: Phone) -> None:
    with Peer(lone_phone) as peer:
        peer.send(Message(OPEN, 7, 0, b"sync:\0"))
        accepted = peer.receive()
        peer.send(Message(WRTE, 7, accepted.arg0, b"WHAT\x01\0\0\0/"))
        assert peer.receive().command == OKAY
        assert peer.receive().payload.startswith(b"FAIL")
