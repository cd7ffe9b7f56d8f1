"""The Job of capability.py, inside a forked run."""

from __future__ import annotations

import math
import select
import socket
import sys
import threading
from typing import Any

from procession.agent import frames
from procession.agent.adb import AdbPhone
from procession.agent.frames import Progress, Start
from procession.capabilities.capability import Phone, RunStopped
from procession.protocol import MESSAGE_CHARS_MAX


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
        self._percent = 0.0
        self._message = ""

    @property
    def stopping(self) -> bool:
        return self._told or self._told_within(0)

    def progress(self, percent: float, message: str = "") -> None:
        self.raise_if_told()
        self._percent = min(max(percent, 0.0), 100.0) if math.isfinite(percent) else 0.0
        self._message = sayable(message)
        with self._sending:
            told = Progress(self._percent, self._message)
            frames.send(self._channel, told, frames.SEND_WAIT_S)

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
