"""What the store needs of a database connection."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Protocol

Row = Sequence[Any]
Write = tuple[str, list[Row]]
"""A writing statement by its name, and the rows it is run for: at least one."""
Topic = tuple[Any, ...]
"""What can be waited for: ("process", id), ("queue", tenant, queue), ("phone", tenant, id) …"""


class Connection(Protocol):
    """One connection. SQLite's methods answer without ever suspending; PostgreSQL's really wait."""

    async def fetch(self, name: str, /, **values: Any) -> list[Row]: ...

    async def fetch_each(self, name: str, /, rows: Iterable[Row]) -> list[Row]:
        """Run a reading statement once a row of values; all that was found, in no order.

        Each found row is led by the place (1, 2, …) of the values it was found for.
        """
        ...

    async def execute(self, name: str, /, **values: Any) -> int:
        """Run one writing statement; the number of rows it touched."""
        ...

    async def execute_many(self, name: str, /, rows: Iterable[Row]) -> int:
        """Run a writing statement once a row, values in the order of its parameters."""
        ...

    async def execute_together(self, writes: Sequence[Write]) -> list[int]:
        """As `execute_many` for each; the numbers of rows touched.

        No two of them may write the same row: they need not see each other's work.
        """
        ...

    async def begin(self) -> None: ...

    async def announce(self, topics: Iterable[Topic]) -> None:
        """Tell other servers, once the transaction is committed, what they may have to look at."""
        ...

    async def commit(self) -> None: ...

    async def rollback(self) -> None: ...
