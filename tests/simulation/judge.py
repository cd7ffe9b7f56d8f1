"""What must hold at every moment and at the end, compared with what really happened."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from invariants import check_process
from msgspec.json import decode

from procession.core.process import Item, Process
from procession.core.states import FINAL, ITEM_FINAL, MILESTONES, RETRIABLE, ItemState, State
from procession.store.ledger import ended
from procession.store.store import Filter, Store

if TYPE_CHECKING:
    from simulation.world import World

EVERY_S = 1.0
LATE_S = 3.0
"""How far behind a deadline the loops may be while some server has been well for so long."""
CANCEL_S = 4.0
GENTLE = frozenset({"receiver_fails", "people_stop_work", "people_try_again", "servers_restart"})
"""Faults by which no run may be lost."""
OUTAGES = GENTLE | {"servers_crash", "turns_crash", "runs_crash"}
"""Faults by which no run that has begun may be lost, where the server hit is the only one."""
ENDS = {MILESTONES[state] for state in FINAL}


class Seen(NamedTuple):
    """How an item stood when it was last looked at."""

    state: str
    attempt: int
    result: str


class Judge:
    """Looks at everything every second; says what does not hold by `world.broken`."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._well_since_s: float | None = None
        self._disturbed_until_s = 0.0
        self._service_s = 0.0
        self._versions: dict[str, int] = {}
        self._items: dict[str, Seen] = {}
        self._promises: dict[str, float] = {}
        self._loop()

    def _loop(self) -> None:
        self._count_service()
        self.look()
        self._world.timeline.world.call_later(EVERY_S, self._loop)

    def disturbed(self, seconds: float) -> None:
        """Deadlines may be met late for so long."""
        until_s = self._world.timeline.now_s + seconds
        self._disturbed_until_s = max(self._disturbed_until_s, until_s)
        self._well_since_s = None

    def promised(self, process_id: str, delay_s: float) -> None:
        """A cancel was answered: its process ends within its bound, counted in service."""
        until_s = self._service_s + delay_s + CANCEL_S + 2 * LATE_S
        self._promises[process_id] = min(until_s, self._promises.get(process_id, until_s))

    def unfinished(self) -> list[str]:
        return [r[0] for r in self._ask("SELECT process_id FROM process WHERE finished_ms IS NULL")]

    def in_state(self, state: State) -> list[str]:
        return [r[0] for r in self._ask("SELECT process_id FROM process WHERE state = ?", state)]

    def _ask(self, text: str, *values: Any) -> list[Any]:
        return self._world.database.ask(text, *values)

    def _count_service(self) -> None:
        """A server is well when it serves, runs and reaches the database."""
        world, now_s = self._world, self._world.timeline.now_s
        up = any(not server.node.stopped for server in world.servers())
        if not up or now_s < self._disturbed_until_s:
            self._well_since_s = None
        elif self._well_since_s is None:
            self._well_since_s = now_s
        elif now_s - self._well_since_s >= LATE_S:
            self._service_s += EVERY_S

    def look(self) -> None:
        self._look_at_processes()
        self._look_at_items()

    def reopened(self, process_id: str) -> bool:
        """Whether its log says that a person had it tried again."""
        found = self._ask(
            "SELECT 1 FROM event WHERE process_id = ? AND (data LIKE '%\"decision\":%'"
            " OR (name = 'retrying' AND data LIKE '{\"items\":%')) LIMIT 1",
            process_id,
        )
        return bool(found)

    def look_at_holds(self) -> None:
        """At every commit, and when a run begins: the phone of a run that lives is held by it.

        Not where the one clock that leases are counted by is set; and nobody watches an orphan.
        """
        plan = self._world.plan
        runs = [run for run in self._world.truth.alive() if not run.orphan]
        if not runs or (plan.has("clocks_wrong") and not plan.shared):
            return
        found = self._ask("SELECT item_id, attempt FROM item WHERE lease_ms IS NOT NULL")
        held = {(row[0], row[1]) for row in found}
        for run in runs:
            if (run.item_id, run.attempt) not in held:
                self._broken(f"the phone of a run that lives is not held: {run}")

    def _look_at_processes(self) -> None:
        found = self._ask("SELECT process_id, state, version, due_ms, standing FROM process")
        by_id = {row[0]: row for row in found}
        for order in self._world.orders:
            if order.process_id and order.process_id not in by_id:
                self._broken(f"{order.request_id} was accepted as {order.process_id} and is gone")
        for process_id, state, version, due_ms, _ in found:
            if version < self._versions.get(process_id, 0):
                self._broken(f"{process_id} lost events")
            self._versions[process_id] = version
            self._in_time(f"process {process_id} {state}", due_ms)
        for process_id, until_s in list(self._promises.items()):
            row = by_id.get(process_id)
            if row is None or State(row[1]) in FINAL or not decode(row[4])[14]:
                del self._promises[process_id]
            elif self._service_s > until_s:
                self._broken(f"the cancel of {process_id} did not end it: {row[1]}")

    def _look_at_items(self) -> None:
        found = self._ask("SELECT item_id, state, attempt, due_ms, result FROM item")
        for item_id, state, attempt, due_ms, result in found:
            self._in_time(f"item {item_id} {state}", due_ms)
            before, now = self._items.get(item_id), Seen(state, attempt, result)
            self._items[item_id] = now
            if before is None or before == now:
                continue
            if now.attempt < before.attempt:
                self._broken(f"{item_id} went back to attempt {attempt}")
            over = ItemState(before.state) in ITEM_FINAL
            if over and before.state != "failed":
                self._broken(f"{item_id} was {before} and became {now}")

    def _in_time(self, what: str, due_ms: int | None) -> None:
        since_s = self._well_since_s
        if due_ms is None or since_s is None:
            return
        late_s = (self._world.turn_ms() - due_ms) / 1000
        well_s = self._world.timeline.now_s - since_s
        if min(late_s, well_s) > LATE_S:
            self._broken(f"{what} is {late_s:.1f} s past its time")

    def settled(self) -> bool:
        """Everything has ended: work, holds, callbacks, and what agents have to tell."""
        asks = (
            "SELECT 1 FROM process WHERE finished_ms IS NULL LIMIT 1",
            "SELECT 1 FROM item WHERE lease_ms IS NOT NULL LIMIT 1",
            "SELECT 1 FROM delivery WHERE state = 'pending' LIMIT 1",
        )
        return not any(self._ask(text) for text in asks) and all(
            machine.settled() for machine in self._world.machines
        )

    def unsettled(self) -> str:
        """What has not ended, for whoever reads the trace."""
        processes = self._ask(
            "SELECT process_id, state, due_ms FROM process WHERE finished_ms IS NULL"
        )
        items = self._ask(
            "SELECT item_id, state, attempt, phone_id, agent_id, lease_ms, due_ms, queue FROM item"
            " WHERE lease_ms IS NOT NULL OR finished_ms IS NULL"
        )
        sending = self._ask("SELECT * FROM delivery WHERE state = 'pending'")
        agents = [m.name for m in self._world.machines if not m.settled()]
        return f"{processes=} {items=} {sending=} {agents=}"

    def finally_(self) -> None:
        """Everything, once it is quiet."""
        self.look()
        store = Store(self._world.database.sqlite)
        for process in ended(store.list_processes(1, Filter(), limit=1_000)):
            items = ended(store.process_items(process))
            self._check_log(process, items)
            for item in items:
                self._check_result(item)
        self._check_deliveries()
        self._check_losses()
        self._check_answers()
        self._check_agents()

    def _check_log(self, process: Process, items: list[Item]) -> None:
        rows = self._ask(
            "SELECT seq, name, standing FROM event WHERE process_id = ? ORDER BY seq",
            process.process_id,
        )
        if [row[0] for row in rows] != list(range(1, process.version + 1)):
            self._broken(f"the log of {process.process_id} has gaps: {[row[0] for row in rows]}")
        endings, before = 0, ""
        for _, name, standing in rows:
            if before in RETRIABLE and name == "retrying":
                endings = 0
            endings += name in ENDS
            before = decode(standing)[0]
        try:
            check_process(process, items, endings)
        except AssertionError as error:
            self._broken(f"{process.process_id}: {error}")

    def _check_result(self, item: Item) -> None:
        """What is kept is what the item's own last run said, and that run really ended so."""
        if item.state is not ItemState.COMPLETED:
            return
        run = self._world.truth.runs.get((item.item_id, item.attempt))
        if run is None or run.how != "completed":
            self._broken(f"{item.item_id} is completed, and its run is {run}")
        told = decode(item.result)
        if told != {"item": item.item_id, "attempt": item.attempt}:
            self._broken(f"{item.item_id} {item.attempt} has the result {told}")

    def _check_deliveries(self) -> None:
        """Every milestone of who asked for callbacks has a row, and rows tell the truth."""
        owed = self._ask(
            "SELECT e.process_id, e.seq, e.name, e.standing, d.state FROM event e"
            " JOIN process p ON p.process_id = e.process_id"
            " LEFT JOIN delivery d ON d.process_id = e.process_id AND d.seq = e.seq"
            " WHERE p.request LIKE '%callback_url\":\"http%' ORDER BY 1, 2"
        )
        before: dict[str, str] = {}
        for process_id, seq, name, standing, state in owed:
            webhook_id, now = f"{process_id}_{seq}", decode(standing)[0]
            milestone = now != before.get(process_id) and name in MILESTONES.values()
            before[process_id] = now
            if (state is None) == milestone:
                self._broken(f"callback of {webhook_id} ({name}): {state}")
            if state == "delivered" and webhook_id not in self._world.receiver.took:
                self._broken(f"{webhook_id} is called delivered and never arrived")

    def _check_losses(self) -> None:
        plan = self._world.plan
        lost = self._ask("SELECT data, at_ms FROM event WHERE name = 'lease_lost'")
        if not lost or not plan.faults <= OUTAGES:
            return
        for data, at_ms in lost:
            told = decode(data)
            run = self._world.truth.runs.get((told["item_id"], told["attempt"]))
            begun = run is not None
            if plan.faults <= GENTLE or (begun and not plan.shared and "shut down" not in data):
                self._broken(f"a healthy run was lost: {data} at {at_ms}, {run}")

    def _check_answers(self) -> None:
        """No more was tried again than was answered so, or not answered at all."""
        if self._world.plan.twice or self._world.retried_in_bulk:
            return
        found = self._ask(
            "SELECT process_id, count(*) FROM event WHERE name = 'retrying'"
            " AND data LIKE '{\"items\":%' GROUP BY process_id"
        )
        for process_id, count in found:
            asked = self._world.retries.get(process_id, 0)
            if count > asked:
                self._broken(f"{process_id} was tried again {count} times, {asked} were answered")

    def _check_agents(self) -> None:
        """Who lives and was not told to drain is given work."""
        draining = {row[0] for row in self._ask("SELECT agent_id FROM agent WHERE draining = 1")}
        for machine in self._world.machines:
            if machine.name in draining and machine.node and not machine.drains:
                self._broken(f"{machine.name} is taken to drain, and waits for work for ever")

    def _broken(self, why: str) -> None:
        self._world.broken(why)
