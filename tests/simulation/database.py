"""The one database of a simulated world: real SQLite in memory, behind connections that break.

A turn runs as a whole between its `begin` and its `commit`, as on any database that keeps turns
apart; what happens before and after takes time, and may fail: the connection, or the server.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from random import Random
from typing import Any

from msgspec.json import encode

from procession.core.errors import Overloaded
from procession.store.connection import Row, Topic, Write
from procession.store.ledger import ended
from procession.store.migrate import migrate
from procession.store.postgres import DOUBT_S_MAX, AnswerLost, OutcomeUnknown
from procession.store.sqlite import SqliteConnection
from simulation.plan import Plan
from simulation.timeline import Node, Timeline

START_MS = 1_700_000_000_000
UNKNOWN = 0.2
"""How often nobody can say what became of a commit whose answer was lost."""


@cache
def _empty() -> tuple[SqliteConnection, bytes]:
    """A connection with all statements read, and the bytes of a new database."""
    connection = SqliteConnection(":memory:")
    ended(migrate(connection, START_MS))
    return connection, connection._db.serialize()


class Database:
    """What is saved, and its own clock. `notices` tells the other servers of each commit."""

    def __init__(self, timeline: Timeline, random: Random) -> None:
        self.timeline = timeline
        self.random = random
        self.sqlite, image = _empty()
        self.sqlite._db.close()
        db = sqlite3.connect(":memory:", isolation_level=None, cached_statements=256)
        db.deserialize(image)
        self.sqlite._db = db
        self.away_until_s = 0.0
        self.commits = 0
        self.saved: Callable[[], None] = lambda: None
        self.disturbed: Callable[[float], None] = lambda _: None
        self._listening: dict[Node, Callable[[int, str], None]] = {}

    def go_away(self, seconds: float) -> None:
        """Nobody reaches it for so long."""
        self.away_until_s = max(self.away_until_s, self.timeline.now_s + seconds)
        self.disturbed(seconds)

    @property
    def is_away(self) -> bool:
        return self.timeline.now_s < self.away_until_s

    def time_told(self) -> int:
        """Raises ConnectionRefusedError while it is away."""
        if self.is_away:
            raise ConnectionRefusedError("the database is away")
        return self.now_ms()

    def now_ms(self) -> int:
        return START_MS + int(self.timeline.now_s * 1000)

    def listen(self, node: Node, heard: Callable[[int, str], None]) -> None:
        self._listening[node] = heard

    def notify(self, sender: int, topics: list[Topic], lost: float) -> None:
        """A notice to every server: a hint, which may be lost."""
        notice = encode(topics).decode()
        for node, heard in self._listening.items():
            if node.alive and self.random.random() >= lost:
                node.call_later(self.random.expovariate(500), heard, sender, notice)

    def look(self, name: str, **values: Any) -> list[Row]:
        """Read without taking time: for the judge."""
        return ended(self.sqlite.fetch(name, **values))

    def ask(self, text: str, *values: Any) -> list[Any]:
        return self.sqlite._db.execute(text, values).fetchall()


class Reader:
    """Reads of one server. Where the database is elsewhere they take time and can fail."""

    def __init__(self, database: Database, plan: Plan) -> None:
        self._database = database
        self._plan = plan

    async def fetch(self, name: str, /, **values: Any) -> list[Row]:
        database = self._database
        if self._plan.shared:
            if database.random.random() < self._plan.slow_reads:
                await asyncio.sleep(database.random.expovariate(200))
            if database.is_away:
                raise Overloaded("the database is away; try again")
        return await database.sqlite.fetch(name, **values)

    async def fetch_each(self, name: str, /, rows: Iterable[Row]) -> list[Row]:
        if self._plan.shared and self._database.is_away:
            raise Overloaded("the database is away; try again")
        return await self._database.sqlite.fetch_each(name, rows)


class Hearing:
    """The connection one server hears of the others on."""

    direct = True

    def __init__(self, database: Database, node: Node, plan: Plan) -> None:
        self._database = database
        self._node = node
        self._heard = False

    async def now_ms(self) -> int:
        return self._database.time_told()

    async def listen(self, heard: Callable[[int, str], None]) -> bool:
        """A connection that was lost while the database was away is opened again."""
        self._database.time_told()
        first, self._heard = not self._heard, True
        self._database.listen(self._node, heard)
        return first


class Writer:
    """The connection turns are written over, with its server's and its own ends."""

    def __init__(
        self,
        database: Database,
        plan: Plan,
        node: Node,
        crash: Callable[[str], None],
    ) -> None:
        self._database = database
        self._plan = plan
        self._node = node
        self._crash = crash
        self._topics: list[Topic] = []
        self.backend = id(self)
        self.marks = False

    async def now_ms(self) -> int:
        await asyncio.sleep(self._database.random.expovariate(1 / self._plan.turn_s))
        return self._database.time_told()

    async def begin(self) -> None:
        database = self._database
        await asyncio.sleep(database.random.expovariate(1 / self._plan.turn_s))
        if database.is_away:
            raise ConnectionRefusedError("the database is away")
        await database.sqlite.begin()

    async def fetch(self, name: str, /, **values: Any) -> list[Row]:
        await self._statement()
        return await self._database.sqlite.fetch(name, **values)

    async def execute(self, name: str, /, **values: Any) -> int:
        await self._statement()
        return await self._database.sqlite.execute(name, **values)

    async def execute_many(self, name: str, /, rows: Iterable[Row]) -> int:
        await self._statement()
        return await self._database.sqlite.execute_many(name, rows)

    async def fetch_each(self, name: str, /, rows: Iterable[Row]) -> list[Row]:
        await self._statement()
        return await self._database.sqlite.fetch_each(name, rows)

    async def execute_together(self, writes: Sequence[Write]) -> list[int]:
        await self._statement()
        return await self._database.sqlite.execute_together(writes)

    async def insert_alone(self, writes: Sequence[Write], topics: Iterable[Topic]) -> set[str]:
        """One statement, so nothing happens in its middle; nobody looks for a lost answer."""
        await self.begin()
        try:
            await self._statement()
            inserted = await self._inserted(writes)
            await self.announce(topics)
            await self.commit(alone=True)
        except BaseException:
            await self.rollback()
            raise
        return inserted

    async def _inserted(self, writes: Sequence[Write]) -> set[str]:
        sqlite, (first, new), *others = self._database.sqlite, *writes
        inserted = {row[0] for row in new if await sqlite.execute_many(first, [row])}
        for name, rows in others:
            place = sqlite._statements[name].parameters.index("process_id")
            kept = [row for row in rows if row[place] in inserted]
            await sqlite.execute_many(name, kept)
        return inserted

    async def reached(self, wait_s: float) -> None:
        """Wait until the database is there. Raises OutcomeUnknown after `wait_s`."""
        ends_s = asyncio.get_running_loop().time() + wait_s
        while self._database.is_away:
            if asyncio.get_running_loop().time() >= ends_s:
                raise OutcomeUnknown
            await asyncio.sleep(0.1)

    def drop(self) -> None:
        """The next statement opens another connection."""

    async def announce(self, topics: Iterable[Topic]) -> None:
        self._topics = sorted(topics, key=repr)

    async def _statement(self) -> None:
        rates, chance = self._plan, self._database.random.random()
        if chance < rates.crash_in_turn:
            await self._end("between statements")
        if rates.shared and chance > 1 - rates.lost_in_turn:
            raise ConnectionResetError("the connection broke between statements")

    async def commit(self, *, alone: bool = False) -> None:
        """Done or not, and known or not: what a lost answer was is looked up by its mark, but
        not where the transaction was one statement `alone`."""
        database, chance = self._database, self._database.random.random()
        crash, lost = self._plan.crash_at_commit, self._plan.lost_at_commit
        if chance < crash / 2:
            await self._end("before its commit")
        if self._plan.shared and chance > 1 - lost / 2:
            await database.sqlite.rollback()
            await self.answer_lost(committed=False, alone=alone)
        await database.sqlite.commit()
        self._saved()
        if chance < crash:
            await self._end("after its commit")
        if self._plan.shared and chance > 1 - lost:
            await self.answer_lost(committed=True, alone=alone)
        await asyncio.sleep(database.random.expovariate(1 / self._plan.turn_s))

    async def answer_lost(self, *, committed: bool, alone: bool) -> None:
        """Ask on a new connection; at times the database stays away for too long."""
        database = self._database
        if alone:
            raise AnswerLost("the connection broke; nobody knows when")
        if database.random.random() < UNKNOWN:
            database.go_away(DOUBT_S_MAX)
            await asyncio.sleep(DOUBT_S_MAX)
            raise OutcomeUnknown
        await asyncio.sleep(database.random.expovariate(2))
        if not committed:
            raise ConnectionResetError("the connection broke before the commit")

    async def rollback(self) -> None:
        if self._node.alive:
            await self._database.sqlite.rollback()

    def _saved(self) -> None:
        self._database.commits += 1
        self._database.saved()
        if self._topics and self._plan.shared:
            self._database.notify(self.backend, self._topics, self._plan.notices_lost)

    async def _end(self, when: str) -> None:
        """The server dies here; what it had not committed is undone."""
        await self._database.sqlite.rollback()
        self._crash(when)
        await asyncio.get_running_loop().create_future()
