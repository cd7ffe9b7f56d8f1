"""One of several workers: `procession serve --workers` starts it and tells it what to serve."""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
import time

from msgspec.json import decode

from procession.commands.logs import start_logging
from procession.commands.outcome import UsageWrong, complain
from procession.server import run
from procession.settings import SettingInvalid
from procession.store.migrate import DatabaseRefused
from procession.workers import END_S_SPARE, GIVEN_UP, READY, Order


def main() -> int:
    """Serve; the exit status."""
    order = decode(sys.stdin.buffer.readline(), type=Order)
    settings = order.settings
    start_logging(settings.log_level, order.log_format)
    end_s = settings.drain_ms / 1000 + END_S_SPARE
    threading.Thread(target=end_with_parent, args=(end_s,), daemon=True).start()
    sockets = [socket.socket(fileno=number) for number in order.sockets]
    try:
        run(settings, lambda *_: tell_parent(), sockets)
    except DatabaseRefused as error:
        complain(str(error))
        return GIVEN_UP
    except SettingInvalid as error:
        complain(str(error))
        return UsageWrong.status
    return 0


def tell_parent() -> None:
    """That requests are answered."""
    os.write(sys.stdout.fileno(), READY)


def end_with_parent(end_s: float) -> None:
    """Stop in order once nobody holds the other end of our input, in any case after `end_s`."""
    while os.read(sys.stdin.fileno(), 1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(end_s)
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main())
