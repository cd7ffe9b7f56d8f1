"""A little world around the core that knows by itself what must be true, and checks it.

It keeps its own account of what matters: which run holds which phone and until when, how often an
item was tried and lost, by when a cancelled process must have ended. The verbs are called through
their modules, so that a bug planted there is met here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from beginnings import PHONES, new_item, new_process
from invariants import Broken, check_change, check_process, require
from msgspec import Raw
from plans import Plan, Shape, Step

from procession.core import lifecycle, stopping
from procession.core.errors import LeaseLost, WrongState
from procession.core.lifecycle import GRACE_MS
from procession.core.process import Change, Error, Item, Process
from procession.core.settle import CANCEL_BOUND_MS
from procession.core.states import ITEM_ACTIVE, ITEM_FINAL, RETRIABLE, ItemState, State

LEASE_MS = 15_000
AGENTS = ("agent-1", "agent-2")
OUTCOMES = (ItemState.COMPLETED, ItemState.FAILED, ItemState.FAILED, ItemState.CANCELLED)
PAUSES_MS = (1, 900, 4_000, 9_000, 14_000, 18_000, 60_000, 3_600_000, 8 * 86_400_000)
DEADLINES_MAX = 2_000


@dataclass
class Run:
    """One claim of an item, as the world knows it: held until it ends or its hold is over."""

    item_id: str
    attempt: int
    agent_id: str
    phone_id: str
    lease_ms: int
    held: bool = True


@dataclass
class Account:
    """What was done to an item since it was submitted or last reopened by a person."""

    failures: int = 0
    losses: int = 0


@dataclass
class History:
    """Processes that live through a plan."""

    shape: Shape
    now_ms: int = 1_000_000
    processes: dict[str, Process] = field(default_factory=dict)
    items: dict[str, Item] = field(default_factory=dict)
    runs: list[Run] = field(default_factory=list)
    accounts: dict[str, Account] = field(default_factory=dict)
    promises_ms: dict[str, int] = field(default_factory=dict)
    endings: dict[str, int] = field(default_factory=dict)
    reached: set[State] = field(default_factory=set)
    items_reached: set[ItemState] = field(default_factory=set)

    def begin(self) -> None:
        for number, count in enumerate(self.shape.items):
            self._submit(f"0000000{number}-0000-7000-8000-000000000000", count)
        self.check()

    def take(self, step: Step) -> None:
        getattr(self, "do_" + step.verb)(step.a, step.b, step.c)
        self.check()

    def check(self) -> None:
        for process in self.processes.values():
            check_process(process, self.of(process), self.endings[process.process_id])
        leased = [item.phone_id for item in self.items.values() if item.lease_ms is not None]
        require(len(leased) == len(set(leased)), "a phone has two runs")
        held = {(run.item_id, run.attempt) for run in self.runs if run.held}
        holding = {(i.item_id, i.attempt) for i in self.items.values() if i.lease_ms is not None}
        require(held == holding, f"held {held}, by the record {holding}")

    def of(self, process: Process) -> list[Item]:
        return [item for item in self.items.values() if item.process_id == process.process_id]

    def _submit(self, process_id: str, count: int) -> None:
        process = new_process(self.shape, process_id, self.now_ms)
        self.processes[process_id] = process
        self.endings[process_id] = 0
        self.save(lifecycle.accept(process, self.now_ms))
        items = [new_item(self.shape, process_id, n, self.now_ms) for n in range(count)]
        for item in items:
            self.accounts[item.item_id] = Account()
        self.save(lifecycle.plan(self.processes[process_id], items, self.now_ms))

    def save(self, change: Change) -> None:
        before = self.processes[change.process.process_id]
        check_change(before, {i.item_id: self.items.get(i.item_id) for i in change.items}, change)
        for event in change.events:
            ended = event.name in ("completed", "failed_terminal", "cancelled")
            self.endings[before.process_id] += ended and event.milestone
            self.reached.add(event.standing.state)
        self.processes[before.process_id] = change.process
        for item in change.items:
            self.items[item.item_id] = item
            self.items_reached.add(item.state)

    def do_claim(self, a: int, b: int, _: int) -> None:
        phone_id, agent_id = PHONES[a % len(PHONES)], AGENTS[b % len(AGENTS)]
        if any(i.phone_id == phone_id and i.lease_ms is not None for i in self.items.values()):
            return
        for item in self.items.values():
            if item.state is ItemState.QUEUED and item.queue in ("phones", f"phone/{phone_id}"):
                self._claim(item, phone_id, agent_id)
                return
        self._claim_refused(a)

    def _claim(self, item: Item, phone_id: str, agent_id: str) -> None:
        for run in self.runs:
            require(not (run.held and run.phone_id == phone_id), "a held phone was given away")
        lease_ms = self.now_ms + LEASE_MS
        self.save(
            lifecycle.claim(
                self.processes[item.process_id],
                item,
                agent_id=agent_id,
                phone_id=phone_id,
                lease_ms=lease_ms,
                now_ms=self.now_ms,
            )
        )
        attempt = self.items[item.item_id].attempt
        require(attempt == item.attempt + 1, "a claim must raise the attempt")
        self.runs.append(Run(item.item_id, attempt, agent_id, phone_id, lease_ms))

    def _claim_refused(self, a: int) -> None:
        item = list(self.items.values())[a % len(self.items)]
        if item.state is ItemState.QUEUED:
            return
        process = self.processes[item.process_id]
        try:
            lifecycle.claim(
                process, item, agent_id="x", phone_id="x", lease_ms=1, now_ms=self.now_ms
            )
        except WrongState:
            return
        raise Broken(f"an item that is {item.state} was claimed")

    def do_beat(self, a: int, b: int, c: int) -> None:
        """A sign of life, as an agent sends it: renew, then start and progress if still active."""
        if not self.runs:
            return
        run = self.runs[-1 - a % len(self.runs)]
        item, process = self.items[run.item_id], self.processes[self.items[run.item_id].process_id]
        try:
            fenced = lifecycle.held_by(item, agent_id=run.agent_id, attempt=run.attempt)
            change = lifecycle.renew(process, fenced, lease_ms=self.now_ms + LEASE_MS)
        except LeaseLost:
            require(not run.held, "the run that holds its item was refused")
            return
        require(run.held, "a late worker renewed")
        run.lease_ms = self.now_ms + LEASE_MS
        self.save(change)
        if item.state in ITEM_ACTIVE and b % 3:
            self.save(lifecycle.start(process, self.items[run.item_id], self.now_ms))
        if self.items[run.item_id].state is ItemState.RUNNING and c % 2:
            now, item = self.processes[process.process_id], self.items[run.item_id]
            percent = float(c % 101)
            told = lifecycle.report(now, item, percent=percent, message="m", now_ms=self.now_ms)
            self.save(told)

    def do_work(self, a: int, b: int, _: int) -> None:
        """A run whose agent lives: signs of life often enough, for most of a minute."""
        for _beat in range(5):
            self.do_beat(a, b, 0)
            self.live_until(self.now_ms + 9_000)

    def do_finish(self, a: int, b: int, c: int) -> None:
        if not self.runs:
            return
        run = self.runs[-1 - a % len(self.runs)]
        outcome, retry = OUTCOMES[b % len(OUTCOMES)], bool(c % 2)
        before = self.items[run.item_id]
        process = self.processes[before.process_id]
        error = Error("it failed", "failed") if outcome is ItemState.FAILED else None
        try:
            change = lifecycle.finish(
                process,
                lifecycle.held_by(before, agent_id=run.agent_id, attempt=run.attempt),
                outcome=outcome,
                result=Raw(b'{"a":1}'),
                error=error,
                retry=retry,
                chance=(c % 10) / 10,
                now_ms=self.now_ms,
            )
        except LeaseLost:
            require(not run.held, "the run that holds its item was refused")
            return
        if not run.held:
            repeated = before.attempt == run.attempt and before.state is outcome
            require(repeated and change == Change(process), "a late worker finished")
            return
        run.held = False
        self.save(change)
        self._judge_finish(before, outcome, retry)

    def _judge_finish(self, before: Item, outcome: ItemState, retry: bool) -> None:
        after = self.items[before.item_id]
        if before.state not in ITEM_ACTIVE:
            require(after.state is before.state, "an item that had ended ended again")
            return
        account = self.accounts[before.item_id]
        stopped = self.processes[before.process_id].standing.cancel or before.order != "none"
        if outcome is ItemState.CANCELLED and before.order == "none":
            self._judge_loss(before)
        elif outcome is ItemState.FAILED:
            account.failures += 1
            again = retry and not stopped and account.failures < self.shape.attempts_max
            expected = ItemState.RETRYING if again else ItemState.FAILED
            require(after.state is expected, f"failed try {account.failures} led to {after.state}")
        else:
            require(after.state is outcome, f"{outcome} led to {after.state}")

    def _judge_loss(self, before: Item) -> None:
        """What must have become of an item whose run was interrupted."""
        after, account = self.items[before.item_id], self.accounts[before.item_id]
        account.losses += 1
        policy = "retry" if before.state is ItemState.CLAIMED else self.shape.on_interrupted
        if self.processes[before.process_id].standing.cancel or before.order != "none":
            expected = ItemState.CANCELLED
        elif account.losses > self.shape.lost_max or policy == "fail":
            expected = ItemState.FAILED
        else:
            expected = ItemState.WAITING if policy == "ask_human" else ItemState.RETRYING
        require(after.state is expected, f"loss {account.losses}: {after.state}, not {expected}")

    def do_cancel(self, a: int, b: int, c: int) -> None:
        process = list(self.processes.values())[a % len(self.processes)]
        strategy = stopping.STRATEGIES[b % 3]
        force_after_ms = (c % 4) * 5_000
        open_items = [item for item in self.of(process) if item.state not in ITEM_FINAL]
        change = stopping.cancel(
            process,
            open_items,
            strategy=strategy,
            reason="enough",
            force_after_ms=force_after_ms,
            now_ms=self.now_ms,
        )
        if process.final:
            require(change == Change(process), "a cancel changed what had ended")
            return
        self.save(change)
        require(not change.items or self._idle_ended(change.items), "idle work goes on")
        if strategy != "soft":
            delay_ms = 0 if strategy == "hard" else force_after_ms
            promise_ms = self.now_ms + delay_ms + CANCEL_BOUND_MS
            earlier_ms = self.promises_ms.get(process.process_id, promise_ms)
            self.promises_ms[process.process_id] = min(promise_ms, earlier_ms)

    def _idle_ended(self, items: Sequence[Item]) -> bool:
        return all(item.state in ITEM_ACTIVE or item.state in ITEM_FINAL for item in items)

    def do_retry(self, a: int, _b: int, _c: int) -> None:
        every = list(self.processes.values())
        some = [process for process in every if process.state in RETRIABLE] or every
        process = some[a % len(some)]
        failed = [item for item in self.of(process) if item.state is ItemState.FAILED]
        try:
            change = lifecycle.retry(process, self.of(process), self.now_ms)
        except WrongState:
            require(process.state not in RETRIABLE, "a failed process cannot be retried")
            return
        require(process.state in RETRIABLE, f"a {process.state} process was retried")
        self.endings[process.process_id] = 0
        self.promises_ms.pop(process.process_id, None)
        for item in failed:
            self.accounts[item.item_id] = Account()
        self.save(change)

    def do_answer(self, a: int, b: int, _: int) -> None:
        item = list(self.items.values())[a % len(self.items)]
        decision = ("retry", "fail")[b % 2]
        process = self.processes[item.process_id]
        try:
            change = lifecycle.answer(process, item, decision=decision, now_ms=self.now_ms)
        except WrongState:
            require(item.state is not ItemState.WAITING, "an item that waits took no answer")
            return
        self.save(change)

    def do_release(self, a: int, _b: int, _c: int) -> None:
        """An operator frees a phone; rare, so that holds are mostly ended by runs and time."""
        held = [run for run in self.runs if run.held]
        if not held or a % 4:
            return
        run = held[a % len(held)]
        item = self.items[run.item_id]
        process = self.processes[item.process_id]
        run.held = False
        if item.state in ITEM_ACTIVE:
            self.save(
                lifecycle.interrupt(process, item, chance=0.5, now_ms=self.now_ms, why="released")
            )
            self._judge_loss(item)
        else:
            self.save(Change(process, (lifecycle.free(item, self.now_ms),)))

    def do_stall(self, a: int, _b: int, _c: int) -> None:
        """Time passes and nobody looks: the server's loops are late."""
        pause_ms = PAUSES_MS[a % len(PAUSES_MS)]
        self.now_ms += pause_ms
        for process_id in self.promises_ms:
            self.promises_ms[process_id] += pause_ms

    def do_live(self, a: int, _b: int, _c: int) -> None:
        self.live_until(self.now_ms + PAUSES_MS[a % len(PAUSES_MS)])

    def live_until(self, until_ms: int | None) -> None:
        """Time passes with every deadline met on time; until none is left, without an end."""
        for _ in range(DEADLINES_MAX):
            values = [*self.items.values(), *self.processes.values()]
            due_ms = min((v.due_ms for v in values if v.due_ms is not None), default=None)
            if due_ms is None or (until_ms is not None and due_ms > until_ms):
                break
            self.now_ms = max(self.now_ms, due_ms)
            self._pass_deadlines()
            self.check()
        else:
            raise Broken("deadlines that end nothing")
        self.now_ms = until_ms or self.now_ms
        for process_id, promise_ms in self.promises_ms.items():
            overdue = promise_ms <= self.now_ms and not self.processes[process_id].final
            require(not overdue, "a cancel did not end in time")

    def _pass_deadlines(self) -> None:
        for item in list(self.items.values()):
            if item.due_ms is not None and item.due_ms <= self.now_ms:
                self._expire_item(self.items[item.item_id])
        for process in list(self.processes.values()):
            if process.due_ms is not None and process.due_ms <= self.now_ms:
                now = self.processes[process.process_id]
                open_items = [i for i in self.of(now) if i.state not in ITEM_FINAL]
                early = any(i.state is ItemState.SCHEDULED for i in open_items)
                require(not early or now.state is State.CANCELLING, "given up before its time")
                self.save(stopping.expire(now, open_items, self.now_ms))

    def _expire_item(self, item: Item) -> None:
        process = self.processes[item.process_id]
        over = item.lease_ms is not None and self._hold_over(item)
        self.save(stopping.expire_item(process, item, chance=0.5, now_ms=self.now_ms))
        if over and item.state in ITEM_ACTIVE:
            self._judge_loss(item)

    def _hold_over(self, item: Item) -> bool:
        run = next(run for run in self.runs if run.held and run.item_id == item.item_id)
        run.held = run.lease_ms + GRACE_MS > self.now_ms
        return not run.held


def play(plan: Plan) -> History:
    """Live through a plan, then let time alone end everything. Raises Broken or AssertionError."""
    history = History(plan.shape)
    history.begin()
    for step in plan.steps:
        history.take(step)
    history.live_until(None)
    for process in history.processes.values():
        require(process.final, f"without help the process stays {process.state}")
    require(not any(run.held for run in history.runs), "a phone stays held for ever")
    return history
