"""Lives of tracked processes: what outside systems say in any order, beside a model of its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from typing import Any, NamedTuple

from msgspec import Raw

from procession.core import lifecycle, reported, stopping
from procession.core.errors import WrongState
from procession.core.process import (
    EMPTY,
    QUEUE_REPORTED,
    Change,
    Item,
    Process,
    Request,
    item_id_of,
)
from procession.core.states import FINAL, ITEM_FINAL, MILESTONES, ItemState, State

PROCESS_ID = "01900000-0000-7000-8000-000000000000"
SILENT_MS = 1_000_000
KINDS = (
    *("start", "start", "progress", "progress", "complete", "complete", "complete"),
    *("fail", "finish", "give_up", "cancel", "retry", "silence"),
)
OPEN = ("pending", "running")
WORDS = {
    ItemState.QUEUED: "pending",
    ItemState.RUNNING: "running",
    ItemState.WAITING: "running",
    ItemState.COMPLETED: "completed",
    ItemState.FAILED: "failed",
    ItemState.CANCELLED: "cancelled",
}
ENDS = {
    State.COMPLETED: "completed",
    State.FAILED: "failed",
    State.PARTIAL: "failed",
    State.CANCELLED: "cancelled",
}


class Said(NamedTuple):
    """One thing that happens; `step` counts round."""

    kind: str
    step: int = 0


class Plan(NamedTuple):
    """How many steps, which of them may fail, which a person does, and what happens."""

    steps: int
    excused: frozenset[int]
    human: frozenset[int]
    said: tuple[Said, ...]


def plan_of(seed: int) -> Plan:
    """A plan drawn at random, always the same for a seed."""
    random = Random(seed)
    steps = random.randint(1, 5)
    return Plan(
        steps,
        frozenset(n for n in range(steps) if random.random() < 0.3),
        frozenset(n for n in range(steps) if random.random() < 0.3),
        tuple(Said(random.choice(KINDS), random.randrange(steps)) for _ in range(30)),
    )


class Model:
    """What the contract says, without tallies, versions or tables of moves."""

    def __init__(self, plan: Plan) -> None:
        self._excused = plan.excused
        self.steps = ["pending"] * plan.steps
        self.process = "running"

    def take(self, said: Said) -> str:
        """`refused`, `same` or `changed`."""
        if said.kind in ("finish", "give_up", "cancel", "retry", "silence"):
            return str(getattr(self, f"_{said.kind}")())
        now = self.steps[said.step]
        if self.process != "running":
            return "refused"
        if said.kind in ("start", "progress"):
            if now not in OPEN or (said.kind == "start" and now == "running"):
                return "same"
            self.steps[said.step] = "running"
            return "changed"
        wanted = {"complete": "completed", "fail": "failed"}[said.kind]
        if now not in OPEN:
            return "same" if now == wanted else "refused"
        self.steps[said.step] = wanted
        if wanted == "failed" and said.step not in self._excused:
            self._end("failed", "cancelled", "cancelled")
        elif not any(step in OPEN for step in self.steps):
            self.process = "completed"
        return "changed"

    def _finish(self) -> str:
        if self.process != "running":
            return "same" if self.process == "completed" else "refused"
        return self._end("completed", "completed", "cancelled")

    def _give_up(self) -> str:
        if self.process != "running":
            return "refused" if self.process == "completed" else "same"
        if "running" not in self.steps:
            self.steps[self.steps.index("pending")] = "failed"
        return self._end("failed", "failed", "cancelled")

    def _cancel(self) -> str:
        if self.process != "running":
            return "refused"
        return self._end("cancelled", "cancelled", "cancelled")

    def _silence(self) -> str:
        return "same" if self.process != "running" else self._end("failed", "failed", "failed")

    def _retry(self) -> str:
        if self.process != "failed":
            return "refused"
        self.steps = [step if step == "completed" else "pending" for step in self.steps]
        self.process = "running"
        return "changed"

    def _end(self, process: str, running: str, pending: str) -> str:
        turned = {"running": running, "pending": pending}
        self.steps = [turned.get(step, step) for step in self.steps]
        self.process = process
        return "changed"


class Life:
    """A tracked process as the core makes it, checked after every word."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._model = Model(plan)
        self.now_ms = 1_000
        process = Process(
            process_id=PROCESS_ID,
            tenant_id=1,
            namespace="default",
            process_type="steps",
            system="steps",
            request_id=PROCESS_ID,
            created_ms=self.now_ms,
            request=Request(
                face="steps",
                inputs=EMPTY,
                requested_by=EMPTY,
                silent_ms_max=SILENT_MS,
                excused=tuple(f"step{n}" for n in sorted(plan.excused)),
            ),
        )
        self.items = [
            Item(
                item_id=item_id_of(PROCESS_ID, n),
                process_id=PROCESS_ID,
                tenant_id=1,
                capability="steps",
                queue=QUEUE_REPORTED,
                step=f"step{n}",
            )
            for n in range(plan.steps)
        ]
        accepted = lifecycle.accept(process, self.now_ms)
        planned = lifecycle.plan(accepted.process, self.items, self.now_ms)
        self.process = planned.process
        self.check()

    def take(self, said: Said) -> None:
        """Raises AssertionError when the core and the model do not agree."""
        self.now_ms += SILENT_MS if said.kind == "silence" else 7
        before = self.process
        try:
            change = self._act(said)
        except WrongState:
            outcome = "refused"
        else:
            outcome = "changed" if change.process is not before else "same"
            self._save(before, change)
        assert outcome == self._model.take(said), (said, outcome)
        self.check()

    def _act(self, said: Said) -> Change:
        process, now_ms = self.process, self.now_ms
        item = self.items[said.step]
        others = [other for other in self.items if other is not item]
        human = said.step in self._plan.human
        open_items = [one for one in self.items if one.state not in ITEM_FINAL]
        acts: dict[str, Callable[[], Change]] = {
            "start": lambda: reported.start(process, item, human=human, detail="d", now_ms=now_ms),
            "progress": lambda: reported.progress(
                process, item, human=human, message="m", percent=40, now_ms=now_ms
            ),
            "complete": lambda: reported.complete(
                process, item, others, detail="", data=EMPTY, now_ms=now_ms
            ),
            "fail": lambda: reported.fail(process, item, others, error="no", now_ms=now_ms),
            "finish": lambda: reported.finish(process, self.items, summary=EMPTY, now_ms=now_ms),
            "give_up": lambda: reported.give_up(process, self.items, error="no", now_ms=now_ms),
            "cancel": lambda: stopping.cancel_at_once(
                process, open_items, reason="enough", now_ms=now_ms
            ),
            "retry": lambda: reported.retry(process, self.items, now_ms),
            "silence": lambda: stopping.expire(process, open_items, now_ms),
        }
        return acts[said.kind]()

    def _save(self, before: Process, change: Change) -> None:
        seqs = [event.seq for event in change.events]
        assert seqs == list(range(before.version + 1, change.process.version + 1))
        told = [event.standing.state for event in change.events]
        for was, now, event in zip([before.state, *told], told, change.events, strict=False):
            assert event.milestone is (was is not now)
            assert not event.milestone or event.name in (MILESTONES[now], "retrying")
        ended = sum(event.milestone and event.standing.state in FINAL for event in change.events)
        assert ended == (change.process.final and not before.final)
        by_id = {item.item_id: item for item in change.items}
        self.items = [by_id.get(item.item_id, item) for item in self.items]
        self.process = change.process

    def check(self) -> None:
        """What holds after every word."""
        process = self.process
        tally: dict[str, dict[ItemState, int]] = {}
        for item in self.items:
            tally[item.step] = {item.state: 1}
            assert (item.finished_ms is not None) == (item.state in ITEM_FINAL), item
            assert item.started_ms is not None or item.state not in (
                *(ItemState.RUNNING, ItemState.WAITING, ItemState.COMPLETED),
            )
        assert process.standing.tally == tally
        assert [WORDS[item.state] for item in self.items] == self._model.steps
        assert ENDS.get(process.state, "running") == self._model.process
        assert (process.standing.finished_ms is not None) == process.final
        assert (process.due_ms is None) == process.final
        assert (process.standing.error is not None) == (
            self._model.process in ("failed", "cancelled")
        )
        assert 0 <= (process.standing.percent or 0) <= 100


def live(plan: Plan) -> Life:
    """Live through a plan. Raises AssertionError."""
    life = Life(plan)
    for said in plan.said:
        life.take(said)
    return life


def value(text: str) -> Raw:
    return Raw(text.encode())


def run(*said: tuple[str, int] | str, steps: int = 2, excused: Sequence[int] = ()) -> Life:
    """A short life, told word by word."""
    words: list[Any] = [(one,) if isinstance(one, str) else one for one in said]
    plan = Plan(steps, frozenset(excused), frozenset(), tuple(Said(*one) for one in words))
    return live(plan)
