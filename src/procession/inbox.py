"""The tasks of an organization, found by every filter, and how many there are.

What a text or a mark narrows to is read first, through its index; only what is too common for
that is looked for row by row, and then there is enough of it near every place.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from msgspec import Struct

from procession.caller import Caller
from procession.core.errors import Invalid
from procession.engine import Engine
from procession.store.connection import Connection
from procession.store.lists import like
from procession.tasks import TaskRead

COUNT_MAX = 10_000
NARROW_MAX = COUNT_MAX
SCANNED_MAX = 50_000
"""A text too short for the trigrams is looked for in the newest so many."""
TRIGRAM_CHARS = 3
MARKS_MAX = 3
TEMPLATES_MAX = 1_000
_SLOTS = ("first", "second", "third")
_WILD = "%_\\"


class Sought(Struct, frozen=True, kw_only=True):
    """Which tasks are meant; what is empty matches all. `process_id` is our own id."""

    state: str = ""
    search: str = ""
    person_id: int = 0
    assignee_email: str = ""
    unassigned: bool = False
    process_id: str = ""
    template_id: str = ""
    correlation_key: str = ""
    marks: Mapping[str, str] = {}
    """Metadata: key and value, all of them."""
    oldest_first: bool = False


class TaskPage(NamedTuple):
    """`total` is exact up to COUNT_MAX; one more stands for any larger one."""

    tasks: list[TaskRead]
    total: int


async def page_tasks(
    engine: Engine, caller: Caller, sought: Sought, *, limit: int, offset: int
) -> TaskPage:
    """Raises Invalid for more than MARKS_MAX marks."""
    connection = engine.store.connection
    return await page_of(connection, caller.tenant_id, sought, limit=limit, offset=offset)


async def page_of(
    connection: Connection, tenant_id: int, sought: Sought, *, limit: int, offset: int
) -> TaskPage:
    """As `page_tasks`, of a tenant."""
    if len(sought.marks) > MARKS_MAX:
        raise Invalid("/meta", f"tasks can be sought by at most {MARKS_MAX} keys at once")
    words = await _words(connection, tenant_id, sought)
    if words is None:
        return TaskPage([], 0)
    total = COUNT_MAX + 1
    if not _is_all_common(sought, words):
        total = (await connection.fetch("count_tasks", **words, limit=total))[0][0]
    found = await connection.fetch("list_tasks", **words, limit=limit, offset=offset)
    return TaskPage([TaskRead(*row) for row in found], total)


def _is_all_common(sought: Sought, words: Mapping[str, Any]) -> bool:
    """Whether one word that over NARROW_MAX tasks have is all that is sought."""
    text = Sought(search=sought.search, oldest_first=sought.oldest_first)
    if sought == text:
        return bool(words["search"])
    mark = Sought(marks=sought.marks, oldest_first=sought.oldest_first)
    return sought == mark and len(sought.marks) == 1 and bool(words["first_key"])


async def templates(engine: Engine, caller: Caller) -> list[str]:
    """The template ids of a tenant's tasks, in their order."""
    found = await engine.store.connection.fetch(
        "task_templates", tenant_id=caller.tenant_id, limit=TEMPLATES_MAX
    )
    return [row[0] for row in found]


async def _words(connection: Connection, tenant_id: int, sought: Sought) -> dict[str, Any] | None:
    """The values of the list's statement; None where nothing can match."""
    narrow, search = await _titled(connection, tenant_id, sought.search)
    common: list[tuple[str, str]] = []
    for key, value in sought.marks.items():
        found = await connection.fetch(
            "tasks_marked", tenant_id=tenant_id, key=key, value=value, limit=NARROW_MAX + 1
        )
        if len(found) > NARROW_MAX:
            common.append((key, value))
        else:
            numbers = {row[0] for row in found}
            narrow = numbers if narrow is None else narrow & numbers
    if narrow is not None and not narrow:
        return None
    words: dict[str, Any] = {
        "tenant_id": tenant_id,
        "task_numbers": sorted(narrow or ()),
        "search": search,
        "unassigned": sought.unassigned,
        "oldest_first": sought.oldest_first,
    }
    fields = ("state", "person_id", "assignee_email", "process_id", "template_id")
    words |= {name: getattr(sought, name) for name in (*fields, "correlation_key")}
    slots = (*common, *[("", "")] * MARKS_MAX)[:MARKS_MAX]
    for name, (key, value) in zip(_SLOTS, slots, strict=True):
        words |= {f"{name}_key": key, f"{name}_value": value}
    return words


async def _titled(
    connection: Connection, tenant_id: int, search: str
) -> tuple[set[int] | None, str]:
    """The tasks with a title of this text, or the pattern to look for in every row."""
    if not search:
        return None, ""
    values = {"tenant_id": tenant_id, "search": like(search), "limit": NARROW_MAX + 1}
    runs = "".join(" " if sign in _WILD else sign for sign in search).split(" ")
    if max(len(run) for run in runs) < TRIGRAM_CHARS:
        found = await connection.fetch("tasks_scanned", **values, scanned=SCANNED_MAX)
    else:
        # The index takes no escapes: any sign will do there, and the rows tell.
        loosely = "".join("_" if sign in _WILD else sign for sign in search)
        found = await connection.fetch("tasks_titled", **values, loosely=f"%{loosely}%")
    if len(found) > NARROW_MAX:
        return None, like(search)
    return {row[0] for row in found}, ""
