"""Two servers on one PostgreSQL: what one was told the other shows, and either may be killed."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from api import Api
from callbacks import SECRET, Receiver
from deadline import until
from free_port import free_port
from history import verify_log
from postgres_server import PostgresServer
from programs import PROCESSION, Program
from simulated import Simulated
from world import LEASE_MS, TOKEN, World


@pytest.fixture
def address() -> Iterator[str]:
    server = PostgresServer()
    try:
        yield server.address("two")
    finally:
        server.stop()


def second_server(world: World, address: str) -> tuple[Program, Api]:
    port = free_port()
    words = ["serve", "--database", address, "--port", str(port), "--lease-ms", str(LEASE_MS)]
    settings = {
        "PROCESSION_CALLBACK_ALLOW": "127.0.0.0/8",
        "PROCESSION_CALLBACK_SECRETS": SECRET,
    }
    program = Program("second", [PROCESSION, *words], world.home, settings)
    assert program.first_line().endswith(f":{port}")
    return program, Api(port, TOKEN, world.receiver.url)


def test_two_servers_share_work_and_either_may_be_killed(
    tmp_path: Path, simulated: Simulated, receiver: Receiver, address: str
) -> None:
    world = World(tmp_path, simulated, receiver, database=address)
    second, other = second_server(world, address)
    try:
        (phone,) = world.own_phones(1)
        world.start_agent("shared", [phone])
        process_id = other.submit("witness", world.book.inputs(0.2), phone=phone)
        assert world.api.completed(process_id)["status"] == "completed"
        assert other.record(process_id) == world.api.record(process_id)
        long_id = other.submit("sleep", {"seconds": 60}, phone=phone)
        until(lambda: world.api.record(long_id)["status"] == "executing", 20, "it runs")
        second.send(signal.SIGKILL)
        body: Any = {"reason": "enough", "requested_by": {}, "strategy": "hard"}
        world.api.post(f"/processes/{long_id}/cancel", body, 200)
        until(lambda: world.api.record(long_id)["status"] == "cancelled", 5, "it is cancelled")
        verify_log(world.api, process_id)
        verify_log(world.api, long_id)
    finally:
        second.end()
        world.end()
