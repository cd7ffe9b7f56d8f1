"""Servers are restarted one after the other, in order or killed, while callers go on asking."""

from __future__ import annotations

import signal
import time
from pathlib import Path

from database_truth import verify_accepted
from elsewhere import Hand
from persistent import Callers
from postgres_server import PostgresServer
from served import Served

CALLERS = 6
END_S_MAX = 10.0
RETRIABLE = {200, 202, 503, "ConnectionRefusedError", "ConnectionResetError"}
# http.client's words for a connection that ends before an answer, and in the middle of one.
RETRIABLE |= {"RemoteDisconnected", "BrokenPipeError", "IncompleteRead"}


def test_restarting_every_server_in_turn_shows_callers_nothing_but_try_again(
    tmp_path: Path,
) -> None:
    postgres = PostgresServer()
    database = postgres.address("rolling")
    servers = [Served(name, tmp_path, database) for name in ("one", "two")]
    try:
        apis = [server.until_ready().api for server in servers]
        phone = Hand(apis[0]).phone
        callers = Callers(apis, CALLERS, phone)
        for server, number in zip(servers, (signal.SIGTERM, signal.SIGKILL), strict=True):
            callers.until_accepted(30)
            restart(server, number)
        callers.until_accepted(30)
        callers.stop()
        assert set(callers.statuses) <= RETRIABLE, callers.statuses
        verify_accepted(postgres, "rolling", callers.accepted)
    finally:
        for server in servers:
            server.program.end()
        postgres.stop()


def restart(server: Served, number: signal.Signals) -> None:
    begun_s = time.monotonic()
    server.program.send(number)
    status = server.program.wait(END_S_MAX)
    assert status == (0 if number is signal.SIGTERM else -signal.SIGKILL)
    assert time.monotonic() - begun_s < END_S_MAX
    server.start()
    server.until_ready()
