"""PostgreSQL crashes under load and comes back: no answer is lost, none is repeated, none hangs."""

from __future__ import annotations

import time
from pathlib import Path

from database_truth import ask, verify_accepted
from deadline import until
from elsewhere import Hand, echo
from persistent import Callers
from postgres_server import KILLABLE, PostgresServer
from served import LEASE_MS, Served

AWAY_S = (1.3 * LEASE_MS / 1000, 0.2)
"""Longer than a lease, and as short as can be."""
CALLERS = 6
ANSWER_S_MAX = 20.0


def test_a_crash_of_the_database_loses_and_repeats_no_answer(tmp_path: Path) -> None:
    # What is flushed late is lost by a crash: only an answer after the flush is true.
    postgres = PostgresServer(KILLABLE)
    database = postgres.address("crashing")
    servers = [Served(name, tmp_path, database) for name in ("one", "two")]
    try:
        one, two = (server.until_ready().api for server in servers)
        hand = Hand(one)
        process_id = echo(one, hand.phone)
        item = hand.claim()
        hand.beat(item, started=True)
        callers = Callers([one, two], CALLERS, hand.phone)
        for away_s in AWAY_S:
            callers.until_accepted(40)
            hand.beat(item)
            postgres.kill()
            nobody_is_told_lies(callers, away_s)
            postgres.start()
            until(lambda: one.call("GET", "/healthz").status == 200, 30, "the server is back")
            assert hand.beat(item) == [], "a run that went on has lost its phone"
        callers.stop()
        assert hand.finish(item)["answers"][0]["accepted"]
        assert two.record(process_id)["status"] == "completed"
        verify_accepted(postgres, "crashing", callers.accepted)
        assert callers.statuses[503] > 0
        assert callers.slowest_s < ANSWER_S_MAX
        assert int(ask(postgres, "crashing", "SELECT max(attempt) FROM item")[0]) == 1
    finally:
        for server in servers:
            server.program.end()
        postgres.stop()


def nobody_is_told_lies(callers: Callers, away_s: float) -> None:
    """While it is away callers are answered, and not one is told that it was accepted."""
    begun_s = time.monotonic()
    refused, accepted = callers.statuses[503], len(callers.accepted)
    until(lambda: callers.statuses[503] > refused, ANSWER_S_MAX, "somebody is refused")
    until(lambda: time.monotonic() > begun_s + away_s, away_s + 1)
    # Those whose commit was over when the crash came.
    assert len(callers.accepted) <= accepted + CALLERS
