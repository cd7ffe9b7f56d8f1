"""Two servers that reach PostgreSQL only through a PgBouncer in transaction mode."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from elsewhere import Hand, claim_delay_s, echo, poll_delay_s, stream_delay_s
from pgbouncer_server import PgBouncer
from postgres_server import PostgresServer
from programs import PROCESSION, clean_environment
from served import Served

SEEN_S_MAX = 2.0
DATABASE = "pooled"


@pytest.fixture(scope="module")
def bouncer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PgBouncer]:
    postgres = PostgresServer()
    try:
        postgres.address(DATABASE)
        # Three connections for more than a dozen: nothing of a session can last by luck.
        pooler = PgBouncer(postgres, tmp_path_factory.mktemp("pooler"), pool_size=3)
        try:
            yield pooler
        finally:
            pooler.stop()
    finally:
        postgres.stop()


def test_work_goes_from_end_to_end_and_is_seen_elsewhere_in_two_seconds(
    tmp_path: Path, bouncer: PgBouncer
) -> None:
    servers = [Served(name, tmp_path, bouncer.address(DATABASE)) for name in ("one", "two")]
    try:
        one, two = (server.until_ready().api for server in servers)
        hand = Hand(one)
        assert claim_delay_s(one, two) < SEEN_S_MAX
        assert stream_delay_s(one, two, hand.phone) < SEEN_S_MAX
        assert poll_delay_s(two, one, hand.phone) < SEEN_S_MAX
        with ThreadPoolExecutor(8) as pool:
            apis = [one, two] * 20
            ids = list(pool.map(lambda api: echo(api, hand.phone), apis))
        for _ in ids:
            item = hand.claim()
            assert hand.beat(item, started=True) == []
            assert hand.finish(item)["answers"][0]["accepted"]
        for process_id in ids:
            record = two.record(process_id)
            assert record["status"] == "completed"
            assert record == one.record(process_id)
    finally:
        for server in servers:
            server.program.end()


def test_doctor_says_that_a_pooler_is_in_between(bouncer: PgBouncer) -> None:
    words = [PROCESSION, "doctor", "--json", "--database", bouncer.address(DATABASE)]
    env = clean_environment()
    done = subprocess.run(words, capture_output=True, env=env, text=True, timeout=60, check=False)
    found = {one["name"]: one for one in json.loads(done.stdout)["findings"]}
    assert found["database pooler"]["state"] == "note"
    assert "looks for what others saved" in found["database pooler"]["found"]
    assert found["database"]["state"] == "ok"
