"""The adb transport: messages of a 24-byte header and a payload. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from struct import Struct
from typing import NamedTuple

CNXN = int.from_bytes(b"CNXN", "little")
AUTH = int.from_bytes(b"AUTH", "little")
OPEN = int.from_bytes(b"OPEN", "little")
OKAY = int.from_bytes(b"OKAY", "little")
WRTE = int.from_bytes(b"WRTE", "little")
CLSE = int.from_bytes(b"CLSE", "little")

AUTH_TOKEN = 1
VERSION_MIN = 0x01000000
VERSION_WITHOUT_CHECKSUM = 0x01000001

PAYLOAD_BYTES_MAX = 256 * 1024
HEADER = Struct("<6I")


class MalformedMessage(Exception):
    """The bytes received are not an adb message."""


class Message(NamedTuple):
    """One message; what the two arguments mean depends on the command."""

    command: int
    arg0: int
    arg1: int
    payload: bytes = b""


def encode(message: Message, checksum: bool) -> bytes:
    """The bytes of one message; the checksum field is zero when both sides agreed to skip it."""
    payload = message.payload
    check = sum(payload) & 0xFFFFFFFF if checksum else 0
    magic = message.command ^ 0xFFFFFFFF
    header = HEADER.pack(message.command, message.arg0, message.arg1, len(payload), check, magic)
    return header + payload


class Decoder:
    """Cuts a stream of bytes into messages; keeps what is not whole yet."""

    def __init__(self) -> None:
        self.checksum = True
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[Message]:
        """Every message that is whole now.

        Raises MalformedMessage for a wrong magic, a wrong checksum, or a payload over the limit.
        """
        self._buffer += data
        start = 0
        try:
            while len(self._buffer) - start >= HEADER.size:
                command, arg0, arg1, length, check, magic = HEADER.unpack_from(self._buffer, start)
                if magic != command ^ 0xFFFFFFFF or length > PAYLOAD_BYTES_MAX:
                    raise MalformedMessage
                end = start + HEADER.size + length
                if len(self._buffer) < end:
                    return
                payload = bytes(memoryview(self._buffer)[start + HEADER.size : end])
                self._verify(payload, check)
                start = end
                yield Message(command, arg0, arg1, payload)
        finally:
            del self._buffer[:start]

    def _verify(self, payload: bytes, check: int) -> None:
        # A peer that skips checksums sends zero, also in its first message, before we know.
        if self.checksum and check and check != sum(payload) & 0xFFFFFFFF:
            raise MalformedMessage
