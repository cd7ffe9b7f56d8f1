"""What agent, keeper and run say to each other: length-prefixed msgpack over local sockets."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from typing import Literal

import msgspec
from msgspec import Struct

FRAME_BYTES_MAX = 2 * 1024 * 1024
READ_BYTES = 65_536
SEND_WAIT_S = 30.0

_HEAD = struct.Struct(">I")

Stage = Literal["tell", "term", "kill"]
Ending = Literal["completed", "failed", "stopped", "waiting"]


class FrameTooLong(Exception):
    """A peer announced a message longer than the limit."""


class Limits(Struct, frozen=True):
    """What one run may use."""

    memory_mb_max: int = 1024
    open_files_max: int = 1024


class Start(Struct, tag=True, frozen=True):
    """Agent to keeper: fork a run. `until_s` (CLOCK_BOOTTIME) is when it is killed unrenewed."""

    process_id: str
    item_id: str
    attempt: int
    capability: str
    inputs: bytes
    phone_id: str
    serial: str
    adb_port: int
    account_id: str | None
    limits: Limits
    until_s: float
    app: str | None = None
    is_job: bool = False
    checkpoint: bytes | None = None
    decisions: bytes | None = None
    """Of a job: JSON of where to go on, and of what people have decided."""
    uploads: dict[str, str] = {}
    """Of a job: the file of each upload it may read."""
    settings: dict[str, str] = {}
    """What this type of job needs of its worker's environment, secrets included."""


class Stop(Struct, tag=True, frozen=True):
    """Agent to keeper: the next step of the stop ladder. Keeper to run: only `tell`."""

    stage: Stage


class Renew(Struct, tag=True, frozen=True):
    """Agent to keeper: the lease holds; kill the run only after this moment (CLOCK_BOOTTIME)."""

    until_s: float


class Hello(Struct, tag=True, frozen=True):
    """Keeper to agent: ready."""

    pid: int


class Began(Struct, tag=True, frozen=True):
    """Keeper to agent: the run was forked."""

    pid: int


class Progress(Struct, tag=True, frozen=True):
    """Run to keeper to agent: how far it is, 0 to 100; of a job also where to go on (JSON)."""

    percent: float
    message: str
    checkpoint: bytes | None = None


class Said(Struct, tag=True, frozen=True):
    """Run to keeper: how the capability ended. `result` is JSON, of `waiting` the draft."""

    ending: Ending
    result: bytes = b"{}"
    message: str = ""
    category: Literal["failed", "timeout"] = "failed"
    retry: bool = False
    infrastructure: bool = False


class Ended(Struct, tag=True, frozen=True):
    """Keeper to agent: no process of the run is left.

    `said` is absent when the run ended without a word; `status` is its wait status turned into
    an exit code (negative: the signal); `signalled` says the keeper had to end it, `lapsed`
    that it did so because nobody renewed the lease in time.
    """

    said: Said | None
    status: int
    signalled: bool
    lapsed: bool
    strays: int
    output: bytes
    output_truncated: bool
    checkpoint: bytes | None = None


ToKeeper = Start | Stop | Renew
FromKeeper = Hello | Began | Progress | Ended
FromRun = Progress | Said

to_keeper = msgspec.msgpack.Decoder(ToKeeper)
from_keeper = msgspec.msgpack.Decoder(FromKeeper)
from_run = msgspec.msgpack.Decoder(FromRun)
_encoder = msgspec.msgpack.Encoder()


def frame(message: Struct) -> bytes:
    """The bytes of one message."""
    body = _encoder.encode(message)
    return _HEAD.pack(len(body)) + body


def length(head: bytes) -> int:
    """Length of the body that follows the four bytes of `head`; raises FrameTooLong."""
    size: int = _HEAD.unpack(head)[0]
    if size > FRAME_BYTES_MAX:
        raise FrameTooLong(f"{size} bytes")
    return size


class Inbox:
    """Gathers received bytes and gives back whole message bodies."""

    def __init__(self) -> None:
        self._waiting = bytearray()

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Yield the bodies completed by `data`; raises FrameTooLong."""
        self._waiting += data
        while len(self._waiting) >= _HEAD.size:
            size = length(bytes(self._waiting[: _HEAD.size]))
            end = _HEAD.size + size
            if len(self._waiting) < end:
                return
            body = bytes(self._waiting[_HEAD.size : end])
            del self._waiting[:end]
            yield body


def send(sock: socket.socket, message: Struct, wait_s: float | None = None) -> None:
    """Send one message whole; raises OSError when the peer is gone or takes nothing in time."""
    sock.settimeout(wait_s)
    sock.sendall(frame(message))
