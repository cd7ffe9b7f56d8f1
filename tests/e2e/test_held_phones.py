"""A cancelled run that will not die keeps its phone until it is dead or its lease is over."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from datetime import timedelta

from api import ENDED, cancelled_within_s
from deadline import until
from history import at, item_of, verify_log
from programs import parent_of
from stories import Told
from world import LEASE_MS, Agent, World

from procession.core.lifecycle import GRACE_MS

BOUND_S = 5.0


def refused_in_log(agent: Agent, process_id: str) -> bool:
    lines = agent.program.log.read_text().splitlines()
    words = ("finish refused", item_of(process_id), "lease_lost")
    return any(all(word in line for word in words) for line in lines)


def next_waits_for_an_agent_that_stands_still(world: World) -> None:
    (phone,) = world.own_phones(1)
    first = world.start_agent("first", [phone])
    old = world.api.submit("witness", world.book.inputs(300, ignore_stop=True), phone=phone)
    world.book.until_begun(old)
    first.program.send(signal.SIGSTOP)
    world.api.cancel(old, "hard")
    assert cancelled_within_s(world.api.ended(old)) <= BOUND_S
    lease = world.api.phone(phone)["lease"]
    assert lease["process_id"] == old, "the ended run still holds its phone"
    version = world.api.record(old)["version"]
    new = world.api.submit("witness", world.book.inputs(0.1), phone=phone)
    world.start_agent("second", [phone])
    record = world.api.completed(new)
    over = at(lease["expires_at"]) + timedelta(milliseconds=GRACE_MS)
    assert at(record["timestamps"]["executing_at"]) >= over
    first.program.send(signal.SIGCONT)
    until(lambda: refused_in_log(first, old), 20, "the late worker refused")
    assert world.api.record(old)["version"] == version
    assert world.api.item(old)["queue_status"] == "CANCELLED"
    world.book.verify()


def next_waits_for_a_run_that_cannot_be_killed(world: World) -> None:
    (phone,) = world.own_phones(1)
    world.start_agent("only", [phone])
    old = world.api.submit("witness", world.book.inputs(300, ignore_stop=True), phone=phone)
    keeper = parent_of(world.book.until_begun(old))
    os.kill(keeper, signal.SIGSTOP)
    try:
        world.api.cancel(old, "hard")
        new = world.api.submit("witness", world.book.inputs(0.1), phone=phone)
        assert cancelled_within_s(world.api.ended(old)) <= BOUND_S
        held = world.api.phone(phone)
        assert (held["state"], held["lease"]["process_id"]) == ("busy", old)
        # Its agent lives and says so: the lease is renewed beyond the end of the process.
        until(lambda: world.api.phone(phone)["lease"]["expires_at"] > held["lease"]["expires_at"])
        record = world.api.record(new)
        assert (record["status"], record["wait_reason"]["reason"]) == ("queued", "phone_busy")
    finally:
        os.kill(keeper, signal.SIGCONT)
    world.api.completed(new)
    world.book.verify()
    for process_id in (old, new):
        verify_log(world.api, process_id)


def retry_of_a_lost_run_waits_for_its_phone(world: World) -> None:
    (phone,) = world.own_phones(1)
    first = world.start_agent("first", [phone])
    process_id = world.api.submit("witness", world.book.inputs(1.0), phone=phone)
    world.book.until_begun(process_id)
    first.program.send(signal.SIGSTOP)
    lease = world.api.phone(phone)["lease"]
    world.start_agent("second", [phone])
    record = world.api.completed(process_id)
    assert record["result"] == {"attempt": 2}
    item = world.api.item(process_id)
    assert (item["attempt"], item["leases_lost"], item["agent_id"]) == (2, 1, "second")
    assert at(item["claimed_at"]) >= at(lease["expires_at"]) + timedelta(milliseconds=GRACE_MS)
    first.program.send(signal.SIGCONT)
    until(lambda: refused_in_log(first, process_id), 20, "the late worker refused")
    assert world.api.record(process_id) == record
    world.book.verify()
    verify_log(world.api, process_id)


def phone_idle_for_long_runs_its_next_work_once(world: World) -> None:
    """A claim that waited longer than a lease gives a whole lease all the same."""
    (phone,) = world.own_phones(1)
    world.start_agent("idle", [phone])
    idle = at(world.api.phone(phone)["last_seen_at"]) + timedelta(milliseconds=LEASE_MS)
    until(lambda: at(world.api.phone(phone)["last_seen_at"]) > idle, 10, "a lease's time of rest")
    process_id = world.api.submit("witness", world.book.inputs(1.0), phone=phone)
    assert world.api.completed(process_id)["result"] == {"attempt": 1}


def ends_in_time_without_its_agent(world: World, how: signal.Signals) -> None:
    """Cancels of every kind, of runs that ignore them, under an agent that is gone."""
    asked: Sequence[tuple[str, int]] = [("hard", 0), ("soft_then_force", 1), ("soft", 0)]
    phones = world.own_phones(len(asked))
    agent = world.start_agent("dying", phones)
    ignores = {"seconds": 300, "ignore_stop": True}
    runs = [world.api.submit("sleep", ignores, phone=phone) for phone in phones]
    for process_id in runs:
        world.api.until_status(process_id, "executing")
    agent.program.send(how)
    for process_id, (strategy, delay_s) in zip(runs, asked, strict=True):
        world.api.cancel(process_id, strategy, delay_s)
    for process_id, (_, delay_s) in zip(runs, asked, strict=True):
        bound_s = delay_s + LEASE_MS / 1000 + BOUND_S
        assert cancelled_within_s(world.api.ended(process_id)) <= bound_s
        verify_log(world.api, process_id)
    until(lambda: all(phone["lease"] is None for phone in world.api.phones().values()), 10)
    assert all(world.api.record(process_id)["status"] in ENDED for process_id in runs)


def ends_in_time_with_its_agent_killed(world: World) -> None:
    ends_in_time_without_its_agent(world, signal.SIGKILL)


def ends_in_time_with_its_agent_stopped(world: World) -> None:
    ends_in_time_without_its_agent(world, signal.SIGSTOP)


STORIES = [
    next_waits_for_an_agent_that_stands_still,
    retry_of_a_lost_run_waits_for_its_phone,
    next_waits_for_a_run_that_cannot_be_killed,
    ends_in_time_with_its_agent_killed,
    ends_in_time_with_its_agent_stopped,
    phone_idle_for_long_runs_its_next_work_once,
]


def test_the_next_run_waits_for_lease_and_grace_of_an_agent_that_stands_still(told: Told) -> None:
    told(next_waits_for_an_agent_that_stands_still)


def test_the_next_run_waits_for_one_that_cannot_be_killed(told: Told) -> None:
    told(next_waits_for_a_run_that_cannot_be_killed)


def test_a_lost_run_is_tried_again_only_when_its_phone_is_free(told: Told) -> None:
    told(retry_of_a_lost_run_waits_for_its_phone)


def test_a_cancel_holds_its_bound_when_the_agent_was_killed(told: Told) -> None:
    told(ends_in_time_with_its_agent_killed)


def test_a_cancel_holds_its_bound_when_the_agent_stands_still(told: Told) -> None:
    told(ends_in_time_with_its_agent_stopped)


def test_a_phone_that_was_idle_for_long_runs_its_next_work_once(told: Told) -> None:
    told(phone_idle_for_long_runs_its_next_work_once)
