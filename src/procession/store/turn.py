"""One turn: many decisions, one transaction.

Errands first, then submissions and changes, then claims, so that a claim sees every phone the
same turn has given free. Each decision works on the result of the one before.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any

from msgspec import Struct

from procession.core import lifecycle
from procession.core.errors import NotFound, Refused
from procession.core.process import Change, Event, Item, Note, Process, Task
from procession.core.states import ItemState
from procession.store import rows
from procession.store.claiming import QUEUE_JOBS, Claiming, offers
from procession.store.connection import Row, Topic, Write
from procession.store.store import Store


class Submission(Struct, frozen=True, gc=False):
    """A new process; `make` accepts and plans it at the time of the turn.

    `also` writes what else belongs to it, if it is new; refused, it refuses the whole.
    """

    process: Process
    make: Callable[[int], Sequence[Change]]
    also: Callable[[Turn], Awaitable[None]] | None = None
    items: int = 0
    """How many it will have; 0 where nobody can say."""

    @property
    def plain(self) -> bool:
        """Writes rows of its own only: one item knows no number of its process."""
        return self.items == 1 and self.also is None


class Decision(Struct, frozen=True, gc=False):
    """What to do to one process; `item_ids` names the items it touches, None means all."""

    process_id: str
    decide: Callable[[Process, Sequence[Item], int], Change]
    item_ids: tuple[str, ...] | None = ()


class Together(Struct, frozen=True, gc=False):
    """Two decisions as one: refused as the first is; whether `then` is refused is its own affair.

    `then` never touches the process of `first`.
    """

    first: Decision
    then: Decision


class Errand(Struct, frozen=True):
    """Any other write; runs on its own within the transaction."""

    run: Callable[[Turn], Awaitable[Any]]


class Submitted(Struct, frozen=True, gc=False):
    """The answer to a submission: the process, new or the one that had the key already."""

    process: Process
    duplicate: bool


Texts = list[tuple[Event, str]]
Insert = Callable[[Sequence[Write], set[Topic]], Awaitable[set[str]]]
"""Inserts new processes with all that is theirs and commits; the ids of those that were new."""
Work = Submission | Decision | Together | Claiming | Errand


class Turn:
    """The state of one transaction: what was loaded, what is to be written, who is to be woken."""

    def __init__(self, store: Store, now_ms: int) -> None:
        self.store = store
        self.now_ms = now_ms
        self.topics: set[Topic] = set()
        self._forget()

    async def run(self, batch: Sequence[Work]) -> list[Any]:
        """The outcome of each, in order: its answer, or the Refused it raised."""
        outcomes: list[Any] = [None] * len(batch)
        await self.store.connection.begin()
        try:
            for index, work in enumerate(batch):
                if isinstance(work, Errand):
                    outcomes[index] = await self._errand(work)
            await self._submit(batch, outcomes)
            await self._change(batch, outcomes)
            for index, work in enumerate(batch):
                if isinstance(work, Claiming):
                    outcomes[index] = await self._claim(work)
            await self.store.connection.announce(self.topics)
            await self.store.connection.commit()
        except BaseException:
            await self.store.connection.rollback()
            raise
        return outcomes

    async def _errand(self, work: Errand) -> Any:
        await self.store.connection.execute("savepoint")
        try:
            answer = await work.run(self)
        except Refused as refused:
            await self.store.connection.execute("rollback_to_savepoint")
            answer = refused
        await self.store.connection.execute("release_savepoint")
        return answer

    def is_new_only(self, batch: Sequence[Work]) -> bool:
        """Whether `run_alone` can save it: submissions whose rows are all of their own."""
        return all(isinstance(work, Submission) and work.plain for work in batch)

    async def run_alone(self, batch: Sequence[Work], insert: Insert) -> list[Any]:
        """As `run`, in one statement; run again after a lost answer it saves nothing twice."""
        made = self._made(batch)
        for _, process, changes, texts in made:
            self._add_events(process, texts)
            self._add_items(changes)
        new = [rows.process_row(process, texts[-1][1]) for _, process, _, texts in made]
        present = await insert([("insert_process", new), *await self._writes()], self.topics)
        return [
            Submitted(process, False)
            if process.process_id in present
            else await self._duplicate(process)
            for _, process, _, _ in made
        ]

    def _made(self, batch: Sequence[Work]) -> list[tuple[int, Process, Sequence[Change], Texts]]:
        made = []
        for index, work in enumerate(batch):
            if isinstance(work, Submission):
                changes = work.make(self.now_ms)
                made.append((index, changes[-1].process, changes, _texts(changes)))
        return made

    async def _submit(self, batch: Sequence[Work], outcomes: list[Any]) -> None:
        made = self._made(batch)
        if not made:
            return
        present = await self.store.insert_processes(
            [(process, texts[-1][1]) for _, process, _, texts in made]
        )
        also = []
        for index, process, changes, texts in made:
            if process.process_id in present:
                self._add_events(process, texts)
                self._add_items(changes)
                outcomes[index] = Submitted(process, False)
                work = batch[index]
                if isinstance(work, Submission) and work.also is not None:
                    also.append(work.also)
            else:
                outcomes[index] = await self._duplicate(process)
        await self._flush()
        for write in also:
            await write(self)

    async def _duplicate(self, process: Process) -> Submitted:
        found = await self.store.request(
            process.tenant_id, process.process_type, process.system, process.request_id
        )
        assert found is not None
        # Its own id: saved before, by a statement whose answer was lost.
        return Submitted(found, found.process_id != process.process_id)

    def _add_items(self, changes: Sequence[Change]) -> None:
        """Nobody can wait for a process that is new, only for its queues."""
        for change in changes:
            for item in change.items:
                self._items[item.item_id] = (None, item)
                if item.state is ItemState.QUEUED:
                    self.topics.add(("queue", item.tenant_id, item.queue))
                if item.queue.startswith(QUEUE_JOBS):
                    # A tray shows every job of its workspace, new ones too.
                    self.topics.add(("process", item.process_id))

    async def _change(self, batch: Sequence[Work], outcomes: list[Any]) -> None:
        decisions = [(index, one) for index, work in enumerate(batch) for one in _decisions(work)]
        if not decisions:
            return
        await self._load_processes(work.process_id for _, work in decisions)
        named = {item_id for _, work in decisions for item_id in work.item_ids or ()}
        await self._load_items(named)
        for index, work in enumerate(batch):
            if isinstance(work, Decision):
                outcomes[index] = await self._outcome(work)
            elif isinstance(work, Together):
                outcomes[index] = await self._outcome(work.first)
                if isinstance(outcomes[index], Change):
                    await self._outcome(work.then)
        await self._flush()

    async def _outcome(self, work: Decision) -> Change | Refused:
        try:
            return await self._decide(work)
        except Refused as refused:
            return refused

    async def _decide(self, work: Decision) -> Change:
        process = self._processes.get(work.process_id)
        if process is None:
            raise NotFound
        if work.item_ids is None:
            # As the decisions before left them; never by looking through those of other processes.
            found = await self.store.process_items(process)
            items = [self._items.setdefault(item.item_id, (item, item))[1] for item in found]
        else:
            items = [self._items[item_id][1] for item_id in work.item_ids if item_id in self._items]
        change = work.decide(process, items, self.now_ms)
        self._save(change)
        return change

    async def _claim(self, work: Claiming) -> list[tuple[Process, Item]]:
        """What was claimed: each process and item as they are now."""
        claimed = []
        for phone_id, found, of in await offers(self.store, work, self.now_ms):
            # An earlier item of this turn may be of the same process.
            process = self._processes.setdefault(of.process_id, of)
            self._versions.setdefault(of.process_id, of.version)
            item = self._items.setdefault(found.item_id, (found, found))[1]
            change = lifecycle.claim(
                process,
                item,
                agent_id=work.agent_id,
                phone_id=phone_id,
                lease_ms=self.now_ms + work.lease_ms,
                now_ms=self.now_ms,
            )
            self._save(change)
            claimed.append((change.process, change.items[0]))
        await self._flush()
        return claimed

    async def _load_processes(self, process_ids: Iterable[str]) -> None:
        wanted = sorted(set(process_ids) - self._processes.keys())
        for process_id, process in (await self.store.lock_processes(wanted)).items():
            self._processes[process_id] = process
            self._versions[process_id] = process.version

    async def _load_items(self, item_ids: Iterable[str]) -> None:
        wanted = sorted(set(item_ids) - self._items.keys())
        if wanted:
            for item_id, item in (await self.store.items(wanted)).items():
                self._items[item_id] = (item, item)

    def _save(self, change: Change) -> None:
        self._processes[change.process.process_id] = change.process
        for item in change.items:
            self._items[item.item_id] = (self._items[item.item_id][0], item)
        if change.events:
            texts = _texts((change,))
            self._standings[change.process.process_id] = texts[-1][1]
            self._add_events(change.process, texts)
        for note in change.notes:
            self._notes[note.item_id, note.kind] = note
        if change.tasks:
            self._tasks += change.tasks
        self._wake(change)

    def _add_events(self, process: Process, texts: Texts) -> None:
        self._events += texts
        if process.request.callback_url:
            process_id, origin = process.process_id, process.request.callback_origin
            self._deliveries += [
                (process_id, event.seq, origin, self.now_ms)
                for event, _ in texts
                if event.milestone
            ]
        for number, sink in enumerate(process.request.sinks, 1):
            self._sink_deliveries += [
                (process.process_id, event.seq, sink.origin, self.now_ms, number)
                for event, _ in texts
                if event.milestone and event.name in sink.milestones
            ]

    def _wake(self, change: Change) -> None:
        if change.events:
            self.topics.add(("process", change.process.process_id))
        for item in change.items:
            if item.state is ItemState.QUEUED:
                self.store.marks.forget(item.tenant_id, item.queue)
                self.topics.add(("queue", item.tenant_id, item.queue))
            if item.lease_ms is None and item.phone_id is not None:
                self.topics.add(("phone", item.tenant_id, item.phone_id))
            elif item.order != "none" and item.agent_id is not None:
                self.topics.add(("agent", item.tenant_id, item.agent_id))

    async def _flush(self) -> None:
        """Write all that was decided."""
        if writes := await self._writes():
            await self.store.write(writes)
        if self._tasks:
            await self.store.put_tasks(self._tasks)
            self.topics |= {("tasks", task.item.tenant_id) for task in self._tasks}
        self._forget()

    async def _writes(self) -> list[Write]:
        """Rows by statement, sorted by key so that servers cannot deadlock each other."""
        updates = [
            rows.process_update_row(
                process, self._standings[process_id], self._versions[process_id]
            )
            for process_id, process in sorted(self._processes.items())
            if process.version != self._versions[process_id]
        ]
        pairs = sorted(self._items.items())
        created = [after for _, (before, after) in pairs if before is None]
        edited = [
            rows.item_update_row(after, before)
            for _, (before, after) in pairs
            if before is not None and before is not after
        ]
        writes: list[Write] = [
            ("update_process", updates),
            ("insert_item", await self.store.item_rows(created) if created else []),
            ("update_item", edited),
            ("insert_event", [rows.event_row(event, text) for event, text in self._events]),
            ("insert_delivery", self._deliveries),
            ("insert_sink_delivery", self._sink_deliveries),
            ("put_note", [rows.note_row(note) for _, note in sorted(self._notes.items())]),
        ]
        if self._deliveries or self._sink_deliveries:
            self.topics.add(("deliveries",))
        return [write for write in writes if write[1]]

    def _forget(self) -> None:
        self._processes: dict[str, Process] = {}
        self._versions: dict[str, int] = {}
        self._standings: dict[str, str] = {}
        self._items: dict[str, tuple[Item | None, Item]] = {}
        self._events: list[tuple[Event, str]] = []
        self._deliveries: list[Row] = []
        self._sink_deliveries: list[Row] = []
        self._notes: dict[tuple[str, str], Note] = {}
        self._tasks: list[Task] = []


def _decisions(work: Work) -> tuple[Decision, ...]:
    if isinstance(work, Decision):
        return (work,)
    return (work.first, work.then) if isinstance(work, Together) else ()


def _texts(changes: Sequence[Change]) -> Texts:
    """The events of these changes, each with its standing encoded: once for all its rows."""
    return [(event, rows.text_of(event.standing)) for change in changes for event in change.events]
