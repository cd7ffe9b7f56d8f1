"""Bytes of the adb server's protocol, shared by the waiting and the async way to speak it."""

from __future__ import annotations

import struct

SHELL_OUT = 1
SHELL_ERR = 2
SHELL_EXIT = 3
SYNC_CHUNK_BYTES = 65_536


class AdbRefused(Exception):
    """The adb server, or the phone through it, refused a request."""


def request(service: str) -> bytes:
    """A service request: four hex digits of length, then its name."""
    name = service.encode()
    return f"{len(name):04x}".encode() + name


def sync(word: bytes, data: bytes) -> bytes:
    """One packet of the file protocol: word, length, data."""
    return struct.pack("<4sI", word, len(data)) + data
