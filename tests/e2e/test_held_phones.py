"""A cancelled run that will not die keeps its phone until it is dead or its lease is over."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from datetime import timedelta

from deadline import until
from history import at, item_of, verify_log
from world import Agent, World

from procession.core.lifecycle import GRACE_MS

PHONE = "phone_07"


def begun(world: World, process_id: str) -> int:
    """The run's process id, once it runs."""
    line = until(lambda: world.book.begun(process_id), 20, "the run's beginning")
    pid: int = line["pid"]
    return pid


def parent_of(pid: int) -> int:
    with open(f"/proc/{pid}/stat") as file:
        return int(file.read().rpartition(")")[2].split()[1])


def refused_in_log(agent: Agent, process_id: str) -> bool:
    log = agent.program.log.read_text()
    return any(
        "finish refused" in line and item_of(process_id) in line and "lease_lost" in line
        for line in log.splitlines()
    )


def test_the_next_waits_for_lease_and_grace_when_the_agent_stands_still(
    make_world: Callable[..., World],
) -> None:
    world = make_world()
    first = world.start_agent("first", [PHONE])
    old = world.api.submit("witness", world.book.inputs(300, ignore_stop=True), phone=PHONE)
    begun(world, old)
    first.program.send(signal.SIGSTOP)
    world.api.cancel(old, "hard")
    assert world.api.ended(old, 8)["status"] == "cancelled"
    lease = world.api.phone(PHONE)["lease"]
    assert lease["process_id"] == old, "the ended run still holds its phone"
    version = world.api.record(old)["version"]
    new = world.api.submit("witness", world.book.inputs(0.1), phone=PHONE)
    world.start_agent("second", [PHONE])
    record = world.api.completed(new)
    over = at(lease["expires_at"]) + timedelta(milliseconds=GRACE_MS)
    assert at(record["timestamps"]["executing_at"]) >= over
    first.program.send(signal.SIGCONT)
    until(lambda: refused_in_log(first, old), 20, "the late worker refused")
    assert world.api.record(old)["version"] == version
    assert world.api.item(old)["queue_status"] == "CANCELLED"
    world.book.verify()


def test_the_next_waits_for_a_run_that_cannot_be_killed(make_world: Callable[..., World]) -> None:
    world = make_world()
    world.start_agent("only", [PHONE])
    old = world.api.submit("witness", world.book.inputs(300, ignore_stop=True), phone=PHONE)
    run = begun(world, old)
    keeper = parent_of(run)
    os.kill(keeper, signal.SIGSTOP)
    try:
        world.api.cancel(old, "hard")
        new = world.api.submit("witness", world.book.inputs(0.1), phone=PHONE)
        assert world.api.ended(old, 5)["status"] == "cancelled"
        held = world.api.phone(PHONE)
        assert (held["state"], held["lease"]["process_id"]) == ("busy", old)
        # Its agent lives and says so: the lease is renewed beyond the end of the process.
        until(lambda: world.api.phone(PHONE)["lease"]["expires_at"] > held["lease"]["expires_at"])
        assert world.api.record(new)["status"] == "queued"
        assert world.api.record(new)["wait_reason"]["reason"] == "phone_busy"
    finally:
        os.kill(keeper, signal.SIGCONT)
    world.api.completed(new)
    world.book.verify()
    for process_id in (old, new):
        verify_log(world.api, process_id)


def test_a_retry_of_a_run_that_was_lost_waits_for_its_phone(
    make_world: Callable[..., World],
) -> None:
    world = make_world()
    first = world.start_agent("first", [PHONE])
    process_id = world.api.submit("witness", world.book.inputs(1.0), phone=PHONE)
    begun(world, process_id)
    first.program.send(signal.SIGSTOP)
    lease = world.api.phone(PHONE)["lease"]
    world.start_agent("second", [PHONE])
    record = world.api.completed(process_id)
    assert record["result"] == {"attempt": 2}
    item = world.api.item(process_id)
    assert (item["attempt"], item["leases_lost"], item["agent_id"]) == (2, 1, "second")
    over = at(lease["expires_at"]) + timedelta(milliseconds=GRACE_MS)
    assert at(item["claimed_at"]) >= over
    first.program.send(signal.SIGCONT)
    until(lambda: refused_in_log(first, process_id), 20, "the late worker refused")
    assert world.api.record(process_id) == record
    world.book.verify()
    verify_log(world.api, process_id)


def test_a_phone_that_was_idle_for_long_runs_its_next_work_once(
    make_world: Callable[..., World],
) -> None:
    world = make_world(**{"lease-ms": 1_000})
    world.start_agent("idle", [PHONE])
    registered = world.api.phone(PHONE)["last_seen_at"]
    idle = at(registered) + timedelta(seconds=2)
    until(lambda: at(world.api.phone(PHONE)["last_seen_at"]) > idle, 10, "two seconds of rest")
    process_id = world.api.submit("witness", world.book.inputs(2.0), phone=PHONE)
    assert world.api.completed(process_id)["result"] == {"attempt": 1}
