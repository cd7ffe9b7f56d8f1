"""Inside the forked run: the job a capability is given, and how its ending is told."""

from __future__ import annotations

import contextlib
import gc
import math
import select
import socket
import sys
import threading
from types import FrameType
from typing import Any

import msgspec

from procession.agent import frames
from procession.agent.adb import AdbPhone
from procession.agent.frames import Progress, Said, Start
from procession.capabilities import registry
from procession.capabilities.capability import Phone, RunFailed, RunStopped
from procession.capabilities.errors import CapabilityRefusal
from procession.protocol import MESSAGE_CHARS_MAX, RESULT_BYTES_MAX

_NUL_IN_JSON = b"\\u0000"


class ResultUnusable(Exception):
    """The capability's result cannot be reported."""


class RunJob:
    """The Job of capability.py, spoken over the channel to the keeper."""

    def __init__(self, start: Start, decoded: Any, channel: socket.socket) -> None:
        self.process_id = start.process_id
        self.item_id = start.item_id
        self.attempt = start.attempt
        self.capability = start.capability
        self.account_id = start.account_id
        self.input = decoded
        self.phone: Phone | None = None
        if start.serial:
            self.phone = AdbPhone(start.phone_id, start.serial, start.adb_port)
        self._channel = channel
        self._told = False
        self._sending = threading.Lock()

    @property
    def stopping(self) -> bool:
        return self._told or self._told_within(0)

    def progress(self, percent: float, message: str = "") -> None:
        self.raise_if_told()
        shown = min(max(percent, 0.0), 100.0) if math.isfinite(percent) else 0.0
        with self._sending:
            frames.send(self._channel, Progress(shown, sayable(message)), frames.SEND_WAIT_S)

    def wait(self, seconds: float) -> None:
        if self._told or self._told_within(max(seconds, 0)):
            raise RunStopped

    def log(self, text: str) -> None:
        sys.stdout.write(text.rstrip("\n") + "\n")
        sys.stdout.flush()

    def raise_if_told(self) -> None:
        """Raises RunStopped once the run was told to stop."""
        if self.stopping:
            raise RunStopped

    def _told_within(self, seconds: float) -> bool:
        # The keeper says one thing only; anything readable, its end included, means stop.
        poll = select.poll()
        poll.register(self._channel, select.POLLIN)
        self._told = bool(poll.poll(math.ceil(seconds * 1000)))
        return self._told


def sayable(text: str) -> str:
    """The text within the limits of a message: no NUL, no lone surrogate, not too long."""
    clean = text.replace("\0", "").encode("utf-8", "replace").decode()
    return clean[:MESSAGE_CHARS_MAX]


def perform(start: Start, channel: socket.socket) -> None:
    """Run the capability to its end and tell it on the channel; never raises."""
    gc.enable()
    said = _outcome(start, channel)
    _ending.append(True)
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    with contextlib.suppress(OSError):
        frames.send(channel, said, frames.SEND_WAIT_S)


_ending: list[bool] = []
"""Not empty once the capability is done: what it said is on its way and must not be cut short."""


def stop_now(_number: int, _frame: FrameType | None) -> None:
    """On SIGTERM: leave the capability through its `finally` blocks. Raises RunStopped."""
    if not _ending:
        raise RunStopped


def _outcome(start: Start, channel: socket.socket) -> Said:
    try:
        capability = registry.find(start.capability)
        decoded = registry.decode_inputs(capability, start.inputs)
        return Said("completed", result=_encoded(capability.run(RunJob(start, decoded, channel))))
    except RunStopped:
        return Said("stopped", message="Stopped when told to.")
    except RunFailed as failure:
        return _failed(failure)
    except CapabilityRefusal as refusal:
        return Said("failed", message=sayable(f"Input refused: {refusal}"))
    except MemoryError:
        memory_mb_max = start.limits.memory_mb_max
        return Said("failed", message=f"Over the limit of {memory_mb_max} MB of memory.")
    except BaseException as failure:
        sys.excepthook(type(failure), failure, failure.__traceback__)
        return Said("failed", message=sayable(f"{type(failure).__name__}: {failure}"))


def _failed(failure: RunFailed) -> Said:
    return Said(
        "failed",
        message=sayable(str(failure)) or type(failure).__name__,
        category="timeout" if failure.category == "timeout" else "failed",
        retry=failure.retry,
        infrastructure=failure.infrastructure,
    )


def _encoded(result: Any) -> bytes:
    try:
        encoded = msgspec.json.encode({} if result is None else result)
    except (TypeError, ValueError, OverflowError, RecursionError, msgspec.EncodeError) as reason:
        raise ResultUnusable(f"it is not JSON: {reason}") from None
    if _NUL_IN_JSON in encoded:
        raise ResultUnusable("it holds a NUL character")
    if len(encoded) > RESULT_BYTES_MAX:
        raise ResultUnusable(f"it is longer than {RESULT_BYTES_MAX} bytes")
    return encoded
