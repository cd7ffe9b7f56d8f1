"""A cancel ends in its bound, and its phone takes nothing new before the old run is out of the way.

Two hundred trials each way, each a little world from one seed: when the cancel comes, how strict it
is, how late the loops are, whether the agent lives, hears, obeys, kills and reports, or was killed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from random import Random

import pytest
from msgspec.structs import replace
from settable_engine import LEASE_MS, START_MS, Site, settable

from procession import loops
from procession.core import lifecycle, settle, stopping
from procession.core.lifecycle import GRACE_MS
from procession.core.process import Change, Item, Process
from procession.core.states import State
from procession.protocol import Assignment
from procession.store.ledger import ended
from procession.store.migrate import migrate
from procession.store.sqlite import SqliteConnection

TRIALS = 200
BOUND_MS = 5_000
BEAT_MS = LEASE_MS // 5
LOOPS_LATE_MS_MAX = 200
QUIET_MS_MAX = 1_000
"""Before the cancel nothing hurries."""
KILL_MS_MAX = 2_500
TRIAL_MS_MAX = 120_000


class Trial:
    """One agent with one run that is cancelled, and one item that waits for the same phone."""

    def __init__(self, site: Site, random: Random, lives: bool) -> None:
        self.site = site
        self.random = random
        self.lives = lives
        self.obeys = random.random() < 0.3
        self.strategy = random.choice(["hard", "soft_then_force"])
        self.force_after_ms = random.randrange(0, 12_000)
        self.cancel_ms = START_MS + random.randrange(0, 20_000)
        self.crash_ms = START_MS + random.randrange(0, 25_000)
        self.beat_ms = START_MS
        self.lease_ms = START_MS + LEASE_MS
        self.dies_ms: int | None = None
        self.reported_ms: int | None = None
        self.ended_ms: int | None = None
        self.next_ms: int | None = None

    @property
    def now_ms(self) -> int:
        return self.site.clock.now_ms

    @property
    def crashed(self) -> bool:
        return not self.lives and self.now_ms >= self.crash_ms

    async def run(self) -> None:
        await self.site.register("a", "p")
        self.process = (await self.site.submit(capability="sleep", inputs=SLEEP)).process
        self.following = (await self.site.submit()).process
        self.assignment = await self.site.run_of(self.process, "a", "p")
        cancelled = False
        while self.next_ms is None or self.ended_ms is None:
            late_ms_max = LOOPS_LATE_MS_MAX if cancelled else QUIET_MS_MAX
            self.site.clock.now_ms += self.random.randrange(80, late_ms_max)
            assert self.now_ms < START_MS + TRIAL_MS_MAX, "the trial does not end"
            if not cancelled and self.now_ms >= self.cancel_ms:
                cancelled = True
                self.cancel_ms = self.now_ms
                await self.site.cancel(self.process, self.strategy, self.force_after_ms)
            await self._agent()
            await loops.ItemDeadlines(self.site.engine).step(self.now_ms)
            await loops.ProcessDeadlines(self.site.engine).step(self.now_ms)
            await self._look()

    async def _agent(self) -> None:
        if self.crashed or self.reported_ms is not None:
            return
        if self.dies_ms is not None and self.now_ms >= self.dies_ms:
            await self.site.finish("a", self.assignment, "cancelled")
            self.reported_ms = self.now_ms
        elif self.now_ms >= self.beat_ms:
            self.beat_ms = self.now_ms + BEAT_MS
            await self._beat(self.assignment)

    async def _beat(self, run: Assignment) -> None:
        """An agent's heartbeat long-polls: here an order is seen at once or with the next beat."""
        orders = await self.site.beat("a", run)
        self.lease_ms = self.now_ms + LEASE_MS
        for order in orders:
            heard = order.order == "hard" or (order.order == "soft" and self.obeys)
            if heard and self.dies_ms is None:
                self.dies_ms = self.now_ms + self.random.randrange(0, KILL_MS_MAX)
            if order.order == "soft" and not self.obeys:
                self.beat_ms = self.now_ms + self.random.randrange(100, BEAT_MS)

    async def _look(self) -> None:
        if self.ended_ms is None and (await self.site.process(self.process)).final:
            self.ended_ms = self.now_ms
        if self.next_ms is None and await self._claimed(self.following):
            self.next_ms = self.now_ms

    async def _claimed(self, process: Process) -> bool:
        runs = await self.site.claim("a", "p")  # a new life of a dead agent tries this too
        return any(run.process_id == process.process_id for run in runs)


SLEEP = '{"seconds": 600, "ignore_stop": true}'


@pytest.mark.parametrize("lives", [True, False], ids=["live agent", "dead agent"])
def test_a_cancel_ends_in_its_bound_and_the_phone_waits_for_the_old_run(lives: bool) -> None:
    try_all(lives)


def a_give_up_that_frees_the_phone(patch: pytest.MonkeyPatch) -> None:
    honest = stopping._give_up

    def freeing(process: Process, items: Sequence[Item], now_ms: int) -> Change:
        change = honest(process, items, now_ms)
        return replace(change, items=tuple(lifecycle.free(i, now_ms) for i in change.items))

    patch.setattr(stopping, "_give_up", freeing)


def no_grace(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(stopping, "GRACE_MS", 0)
    patch.setattr(lifecycle, "GRACE_MS", 0)


def a_kill_that_is_waited_for_too_long(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(settle, "CANCEL_BOUND_MS", 8_000)


def a_phone_that_counts_as_free_while_it_is_held(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(stopping, "_hold_due_ms", lambda item: item.lease_ms - LEASE_MS // 2)


PLANTED = [
    a_give_up_that_frees_the_phone,
    no_grace,
    a_kill_that_is_waited_for_too_long,
    a_phone_that_counts_as_free_while_it_is_held,
]


@pytest.mark.parametrize("plant", PLANTED, ids=lambda plant: plant.__name__)
def test_the_trials_catch_a_planted_bug(
    plant: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(monkeypatch)
    with pytest.raises(AssertionError):
        for lives in (True, False):
            try_all(lives)


def try_all(lives: bool) -> None:
    """Every trial on an empty database; raises AssertionError at the first that goes wrong."""
    connection = SqliteConnection(":memory:")
    ended(migrate(connection, START_MS))
    empty = connection._db.serialize()

    async def run(seed: int) -> Trial:
        connection._db.deserialize(empty)
        async with settable(connection) as site:
            trial = Trial(site, Random(seed), lives)
            await trial.run()
            assert (await site.process(trial.process)).state is State.CANCELLED
            return trial

    try:
        for seed in range(TRIALS):
            judge(asyncio.run(run(seed)))
    finally:
        connection.close()


def judge(trial: Trial) -> None:
    assert trial.ended_ms is not None and trial.next_ms is not None
    forced = trial.strategy == "soft_then_force"
    stop_ms = trial.cancel_ms + (trial.force_after_ms if forced else 0)
    assert trial.ended_ms <= stop_ms + BOUND_MS
    if trial.reported_ms is not None:
        assert trial.dies_ms is not None
        assert trial.next_ms >= trial.reported_ms >= trial.dies_ms
    else:
        assert trial.crashed
        assert trial.next_ms >= trial.lease_ms + GRACE_MS
        assert trial.next_ms <= trial.lease_ms + GRACE_MS + QUIET_MS_MAX
