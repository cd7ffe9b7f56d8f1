"""Servers keep the database's time, whatever is done to their own clocks."""

from __future__ import annotations

import asyncio

from procession.store.database_clock import APART_MS_MAX, BELIEVED_MS, DatabaseClock
from procession.store.outage import Outage

HOUR_MS = 3_600_000
TRUE_MS = 1_700_000_000_000


class Machine:
    """A clock that may be set, one that goes on evenly, and a database some way off."""

    def __init__(self, wrong_ms: int) -> None:
        self.wrong_ms = wrong_ms
        self.passed_ms = 0
        self.slept_ms = 0
        self.way_ms = 0
        self.clock = DatabaseClock(
            lambda: self.true_ms + self.wrong_ms, lambda: 77_000 + self.passed_ms
        )

    @property
    def true_ms(self) -> int:
        return TRUE_MS + self.passed_ms + self.slept_ms

    async def ask(self) -> int:
        self.passed_ms += self.way_ms
        told_ms = self.true_ms
        self.passed_ms += self.way_ms
        return told_ms

    def look(self) -> None:
        asyncio.run(self.clock.look(self.ask))


def test_a_machine_an_hour_off_lives_by_the_database() -> None:
    for wrong_ms in (-HOUR_MS, 0, HOUR_MS):
        machine = Machine(wrong_ms)
        assert machine.clock.stale
        machine.look()
        assert machine.clock.now_ms() == machine.true_ms
        assert machine.clock.wall_apart_ms == wrong_ms
        machine.passed_ms += 5_000
        assert machine.clock.now_ms() == machine.true_ms
        assert not machine.clock.stale


def test_the_way_to_the_database_costs_no_accuracy_when_it_is_even() -> None:
    machine = Machine(0)
    machine.way_ms = 400
    machine.look()
    assert machine.clock.now_ms() == machine.true_ms


def test_an_answer_that_was_held_up_on_its_way_changes_nothing() -> None:
    machine = Machine(0)
    machine.look()

    async def ask_late() -> int:
        told_ms = await machine.ask()
        machine.passed_ms += 3_000
        return told_ms

    asyncio.run(machine.clock.look(ask_late))
    assert machine.clock.now_ms() == machine.true_ms


def test_a_clock_that_goes_unevenly_is_set_right_again() -> None:
    machine = Machine(0)
    machine.look()
    machine.way_ms = 5
    for lost_ms in (40, -40):
        machine.slept_ms += lost_ms
        machine.look()
        assert abs(machine.clock.now_ms() - machine.true_ms) <= machine.way_ms


def test_a_clock_that_is_set_changes_nothing_but_is_looked_into() -> None:
    machine = Machine(0)
    machine.look()
    machine.wrong_ms = HOUR_MS
    assert machine.clock.now_ms() == machine.true_ms
    assert machine.clock.stale
    machine.look()
    assert not machine.clock.stale
    assert machine.clock.now_ms() == machine.true_ms


def test_a_machine_that_slept_looks_again() -> None:
    """Asleep, the steady clock stands still."""
    machine = Machine(0)
    machine.look()
    machine.slept_ms = APART_MS_MAX + 1
    assert machine.clock.stale
    machine.look()
    assert machine.clock.now_ms() == machine.true_ms


def test_the_time_is_looked_at_now_and_then() -> None:
    machine = Machine(0)
    machine.look()
    machine.passed_ms += BELIEVED_MS - 1
    assert not machine.clock.stale
    machine.passed_ms += 1
    assert machine.clock.stale


def test_an_outage_lasts_from_where_the_first_failure_began_to_the_last_failure() -> None:
    now_ms = 0
    outage = Outage(lambda: now_ms)
    assert outage.lasted_ms == 0
    now_ms = 5_000
    outage.failed(1_000)
    now_ms = 7_000
    outage.failed(6_900)
    now_ms = 90_000
    assert outage.lasted_ms == 6_000
    outage.over()
    assert outage.lasted_ms == 0
