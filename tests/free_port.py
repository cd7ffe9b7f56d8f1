"""Ports for servers that tests start: outside the range the system gives to connections.

A port of that range may be somebody's connection by the time the server wants it; an adb server
that cannot have its port hangs.
"""

from __future__ import annotations

import random
import socket

FIRST, LAST = 15_000, 31_999


def free_port() -> int:
    """A port of the loopback nobody listens on now."""
    while True:
        port = random.randint(FIRST, LAST)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
