"""One method a statement: rows in and out as core values. Used inside a turn and for reads."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from procession.core.process import Item, Process, Standing, Task, item_id_of
from procession.store import lists, rows
from procession.store.connection import Connection, Row, Write
from procession.store.lists import LATEST, Count, Filter, Page, like
from procession.store.marks import Marks

ITEMS_MAX = 100_000


class EventRead(NamedTuple):
    """An event as the log shows it; `data` is JSON text."""

    seq: int
    name: str
    at_ms: int
    data: str


class StandingRead(NamedTuple):
    """How a process stood after one event."""

    seq: int
    name: str
    at_ms: int
    standing: Standing


_UPDATES = frozenset({"update_process", "update_item"})


class Store:
    """Processes, items and events over one connection."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.marks = Marks()

    async def process(self, process_id: str) -> Process | None:
        found = await self.connection.fetch("get_process", process_id=process_id)
        return rows.process_of(found[0]) if found else None

    async def processes(self, process_ids: list[str]) -> list[Process]:
        found = await self.connection.fetch("get_processes", process_ids=process_ids)
        return [rows.process_of(row) for row in found]

    async def process_numbered(self, number: int) -> Process | None:
        found = await self.connection.fetch("get_process_numbered", number=number)
        return rows.process_of(found[0]) if found else None

    async def lock_processes(self, process_ids: list[str]) -> dict[str, Process]:
        found = await self.connection.fetch("lock_processes", process_ids=process_ids)
        return {row[0]: rows.process_of(row) for row in found}

    async def request(
        self, tenant_id: int, process_type: str, system: str, request_id: str
    ) -> Process | None:
        found = await self.connection.fetch(
            "find_request",
            tenant_id=tenant_id,
            process_type=process_type,
            system=system,
            request_id=request_id,
        )
        return rows.process_of(found[0]) if found else None

    async def list_processes(
        self, tenant_id: int, wanted: Filter, *, below: int = LATEST, limit: int
    ) -> list[Process]:
        """Newest first, as many as there are up to the limit, however long that takes."""
        found: list[Process] = []
        more: int | None = below
        while more is not None and len(found) < limit:
            page = await self.page_processes(
                tenant_id, wanted, below=more, limit=limit - len(found)
            )
            found += page.processes
            more = page.below
        return found

    async def page_processes(
        self, tenant_id: int, wanted: Filter, *, below: int = LATEST, limit: int
    ) -> Page:
        """In bounded time, hence perhaps fewer than the limit though there are more."""
        return await lists.page_processes(self.connection, tenant_id, wanted, below, limit)

    async def count_processes(self, tenant_id: int, wanted: Filter) -> Count:
        return await lists.count_processes(self.connection, tenant_id, wanted)

    async def items(self, item_ids: list[str]) -> dict[str, Item]:
        found = await self.connection.fetch("get_items", item_ids=item_ids)
        return {row[0]: rows.item_of(row) for row in found}

    async def process_items(
        self, process: Process, *, after: str = "", limit: int = ITEMS_MAX
    ) -> list[Item]:
        """In the order of their ids; `after` is the last id already seen."""
        found = await self.connection.fetch(
            "get_process_items",
            process_id=process.process_id,
            after=after or process.process_id,
            last_item_id=item_id_of(process.process_id, process.items_total),
            limit=limit,
        )
        return [rows.item_of(row) for row in found]

    async def completed_item_ids(self, process: Process) -> list[str]:
        found = await self.connection.fetch(
            "completed_item_ids",
            process_id=process.process_id,
            last_item_id=item_id_of(process.process_id, process.items_total),
        )
        return [row[0] for row in found]

    async def events(self, process_id: str, *, after: int, limit: int) -> list[EventRead]:
        found = await self.connection.fetch(
            "list_events", process_id=process_id, after=after, limit=limit
        )
        return [EventRead(*row) for row in found]

    async def standings(self, process_id: str, *, after: int, limit: int) -> list[StandingRead]:
        found = await self.connection.fetch(
            "list_standings", process_id=process_id, after=after, limit=limit
        )
        return [StandingRead(row[0], row[1], row[2], rows.standing_of(row[3])) for row in found]

    async def insert_processes(self, processes: Sequence[tuple[Process, str]]) -> set[str]:
        """Insert those whose key is free; the ids of those that really are there now."""
        wanted = [rows.process_row(process, standing) for process, standing in processes]
        ids = [process.process_id for process, _ in processes]
        if await self.connection.execute_many("insert_process", wanted) == len(wanted):
            return set(ids)
        found = await self.connection.fetch("present_processes", process_ids=ids)
        return {row[0] for row in found}

    async def item_rows(self, items: Iterable[Item]) -> list[Row]:
        """New items as rows; those of a fan-out get the process's number."""
        created = list(items)
        siblings = Counter(item.process_id for item in created)
        fan_outs = sorted(process_id for process_id, count in siblings.items() if count > 1)
        numbers: dict[str, int] = {}
        if fan_outs:
            found = await self.connection.fetch("numbers_of_fan_outs", process_ids=fan_outs)
            numbers = {row[0]: row[1] for row in found}
        return [(*rows.item_row(item), numbers.get(item.process_id)) for item in created]

    async def write(self, writes: Sequence[Write]) -> None:
        """Write rows of several kinds; every update must find its row as it was read."""
        counts = await self.connection.execute_together(writes)
        for (name, wanted), touched in zip(writes, counts, strict=True):
            if name in _UPDATES and touched != len(wanted):
                raise WriteConflict(f"{name}: {touched} of {len(wanted)} rows")

    async def put_tasks(self, tasks: Sequence[Task]) -> None:
        """Begin and end tasks, in this order; a form's row was written with its process."""
        for task in tasks:
            if task.state == "pending":
                await self.connection.execute("insert_task", **rows.task_values(task))
            else:
                await self.connection.execute(
                    "end_task",
                    item_id=task.item.item_id,
                    state=task.state,
                    finished_ms=task.at_ms,
                    outcome=bytes(task.outcome).decode(),
                )

    async def notes(self, item_ids: list[str]) -> dict[tuple[str, str], str]:
        """The JSON text of each note by item and kind."""
        found = await self.connection.fetch("get_notes", item_ids=item_ids)
        return {(row[0], row[1]): row[2] for row in found}


class WriteConflict(Exception):
    """A row was not as it was read in the same transaction."""


__all__ = [
    "LATEST",
    "Count",
    "EventRead",
    "Filter",
    "Page",
    "StandingRead",
    "Store",
    "WriteConflict",
    "like",
]
