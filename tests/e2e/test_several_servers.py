"""Servers on one PostgreSQL: how soon each sees what another saved, and whose clock they keep."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from statistics import median

import pytest
from api import Api
from deadline import until
from elsewhere import Hand, claim_delay_s, echo, poll_delay_s, stream_delay_s
from postgres_server import PostgresServer
from served import DEAF, HOUR_AHEAD, LEASE_MS, Served

TYPICAL_S_MAX = 0.1
BOUND_S_MAX = 2.0
TRIES = 9
APART_S_MAX = 5.0


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Api]]:
    """`one` and `two`; `deaf` hears no notice; the clock of `ahead` is an hour ahead."""
    home = tmp_path_factory.mktemp("several")
    postgres = PostgresServer()
    try:
        address = postgres.address("several")
        beings = {"one": "", "two": "", "deaf": DEAF, "ahead": HOUR_AHEAD}
        served = [Served(name, home, address, being) for name, being in beings.items()]
        try:
            yield {name: one.until_ready().api for name, one in zip(beings, served, strict=True)}
        finally:
            for one in served:
                one.program.send(signal.SIGTERM)
            for one in served:
                one.program.end()
    finally:
        postgres.stop()


def test_what_one_server_saved_another_shows_at_once(servers: dict[str, Api]) -> None:
    one, two = servers["one"], servers["two"]
    phone = Hand(two).phone
    delays_s = {
        "claim": [claim_delay_s(one, two) for _ in range(TRIES)],
        "long poll": [poll_delay_s(one, two, phone) for _ in range(TRIES)],
        "stream": [stream_delay_s(one, two, phone) for _ in range(TRIES)],
    }
    for name, found_s in delays_s.items():
        print(f"{name}: median {median(found_s) * 1000:.0f} ms, most {max(found_s) * 1000:.0f} ms")
        assert max(found_s) < BOUND_S_MAX
        assert median(found_s) < TYPICAL_S_MAX


def test_what_no_notice_tells_is_seen_within_two_seconds(servers: dict[str, Api]) -> None:
    one, deaf = servers["one"], servers["deaf"]
    phone = Hand(deaf).phone
    for _ in range(2):
        assert claim_delay_s(one, deaf) < BOUND_S_MAX
        assert poll_delay_s(one, deaf, phone) < BOUND_S_MAX
        assert stream_delay_s(one, deaf, phone) < BOUND_S_MAX


def test_a_server_an_hour_ahead_takes_no_run_from_its_agent(servers: dict[str, Api]) -> None:
    one, ahead = servers["one"], servers["ahead"]
    runs = []
    for hand in (Hand(one), Hand(ahead)):
        process_id = echo(ahead, hand.phone)
        asked = datetime.fromisoformat(one.record(process_id)["timestamps"]["accepted_at"])
        assert abs((datetime.now(UTC) - asked).total_seconds()) < APART_S_MAX
        runs.append((hand, process_id, hand.claim()))
    ends_s = time.monotonic() + 1.5 * LEASE_MS / 1000
    while time.monotonic() < ends_s:
        # Meanwhile both servers look for leases that ran out five times a second.
        for hand, _, item in runs:
            assert hand.beat(item, started=True) == []
    for hand, process_id, item in runs:
        assert hand.finish(item)["answers"][0]["accepted"]
        assert one.record(process_id)["status"] == "completed"
        assert not one.happened(process_id, "retrying")


def test_a_lease_given_by_a_server_an_hour_ahead_ends_on_time(servers: dict[str, Api]) -> None:
    one, ahead = servers["one"], servers["ahead"]
    hand = Hand(ahead)
    process_id = echo(one, hand.phone)
    assert hand.claim() is not None
    begun_s = time.monotonic()
    until(lambda: one.happened(process_id, "retrying"), 3 * LEASE_MS / 1000, "the lease ends")
    assert time.monotonic() - begun_s > LEASE_MS / 2_000


def test_servers_that_get_the_same_request_at_once_make_one_process(
    servers: dict[str, Api],
) -> None:
    apis = [servers[name] for name in ("one", "two", "ahead")] * 4
    with ThreadPoolExecutor(len(apis)) as pool:
        for number in range(5):
            request_id = f"same-{number}"

            def ask(api: Api, request_id: str = request_id) -> str:
                reply = api.enqueue(request_id, "echo", {"text": "hello"})
                assert reply.status in (200, 202), reply
                process_id: str = reply.body["process_id"]
                return process_id

            assert len(set(pool.map(ask, apis))) == 1
