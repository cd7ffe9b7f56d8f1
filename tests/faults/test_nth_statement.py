"""The first statement fails, then the second, and so on: nothing is ever half done."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import pytest
from invariants import check_process
from settable_engine import START_MS, Site, settable
from tried import TRIED, Found, Tried
from watched_connection import WatchedConnection
from written import written

from procession.core.errors import Refused
from procession.store.ledger import ended
from procession.store.migrate import migrate
from procession.store.sqlite import SqliteConnection

STATEMENTS_MAX = 200
SEED = 11
ENDS = ("completed", "failed_terminal", "cancelled")
Written = dict[str, list[Any]]
tried = pytest.mark.parametrize("one", TRIED, ids=lambda one: one.name)


class Base(NamedTuple):
    """A database in which the operation can begin, and what it holds before and after."""

    image: bytes
    now_ms: int
    found: Found
    before: Written
    after: Written


class Fault:
    """Raises at the nth statement, once or from then on."""

    def __init__(self, nth: int, lasting: bool = False) -> None:
        self.left = nth
        self.lasting = lasting
        self.met = False

    def __call__(self, name: str) -> None:
        if name == "rollback":
            return
        self.left -= 1
        if self.left == 0 or (self.lasting and self.left < 0):
            self.met = True
            raise sqlite3.OperationalError(f"planted at {name}")


@asynccontextmanager
async def opened(image: bytes, now_ms: int) -> AsyncIterator[Site]:
    connection = SqliteConnection(":memory:")
    connection._db.deserialize(image)
    try:
        async with settable(connection) as site:
            site.clock.now_ms = now_ms
            site.requests = 100
            site.random.seed(SEED)
            yield site
            await quiet(site)
    finally:
        connection.close()


async def quiet(site: Site) -> None:
    """Until whatever was begun has ended."""
    while site.engine.ledger._running:
        await asyncio.sleep(0)


async def prepared(one: Tried) -> Base:
    connection = SqliteConnection(":memory:")
    ended(migrate(connection, START_MS))
    async with settable(connection) as site:
        found = await one.arrange(site)
        image, now_ms = connection._db.serialize(), site.clock.now_ms
    connection.close()
    async with opened(image, now_ms) as site:
        before = written(site)
        await one.act(site, found)
        await quiet(site)
        after = written(site)
    assert before != after, "the operation writes nothing"
    return Base(image, now_ms, found, before, after)


async def outcome(act: Callable[[], Awaitable[Any]]) -> BaseException | None:
    try:
        await act()
    except (sqlite3.Error, Refused) as error:
        return error
    return None


async def check(site: Site) -> None:
    """Every process is sound, its log is whole, and nothing is open."""
    inner = site.connection.inner
    assert isinstance(inner, SqliteConnection) and not inner._db.in_transaction
    for process in await site._all_processes():
        items = await site.engine.store.process_items(process)
        log = await site.engine.store.events(process.process_id, after=0, limit=1_000)
        assert [event.seq for event in log] == list(range(1, process.version + 1))
        reopened = max((e.seq for e in log if e.name == "retrying"), default=0)
        endings = sum(event.name in ENDS and event.seq > reopened for event in log)
        check_process(process, items, endings)


async def fail_at(one: Tried, base: Base, fault: Fault) -> bool:
    """Whether the fault was met; everything is checked on the way."""
    async with opened(base.image, base.now_ms) as site:
        site.connection.before = fault
        error = await outcome(lambda: one.act(site, base.found))
        await quiet(site)
        site.connection.before = lambda _: None
        await check(site)
        now = written(site)
        if one.whole:
            assert now in (base.before, base.after), "half done"
        if not fault.met:
            assert error is None and now == base.after
            return False
        await repeat(site, one, base, done=now == base.after)
        return True


async def repeat(site: Site, one: Tried, base: Base, done: bool) -> None:
    """Ask again, as a caller would that was told of a failure, or of nothing at all."""
    if not done:
        site.random.seed(SEED)
    again = await outcome(lambda: one.act(site, base.found))
    await quiet(site)
    await check(site)
    assert again is None or (done and isinstance(again, Refused) and not one.again)
    if one.whole and not done:
        assert written(site) == base.after


@tried
@pytest.mark.parametrize("lasting", [False, True], ids=["once", "lasting"])
def test_whatever_statement_fails_an_operation_is_done_or_not_done(
    one: Tried, lasting: bool
) -> None:
    async def run() -> int:
        base = await prepared(one)
        for nth in range(1, STATEMENTS_MAX):
            if not await fail_at(one, base, Fault(nth, lasting)):
                return nth - 1
        raise AssertionError("more statements than any operation may need")

    assert asyncio.run(run()) >= 3


@tried
def test_a_commit_that_is_told_as_failed_does_no_harm(one: Tried) -> None:
    async def run() -> None:
        base = await prepared(one)
        async with opened(base.image, base.now_ms) as site:
            told = []

            def fail_once() -> None:
                if not told:
                    told.append(True)
                    raise sqlite3.OperationalError("planted after the commit")

            site.connection.after_commit = fail_once
            await outcome(lambda: one.act(site, base.found))
            await quiet(site)
            assert told
            await check(site)
            await repeat(site, one, base, done=True)

    asyncio.run(run())


def test_a_turn_that_is_not_taken_back_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    async def keep(connection: WatchedConnection) -> None:
        await connection.inner.commit()

    async def run(one: Tried) -> None:
        base = await prepared(one)
        monkeypatch.setattr(WatchedConnection, "rollback", keep)
        for nth in range(1, STATEMENTS_MAX):
            await fail_at(one, base, Fault(nth))

    with pytest.raises((AssertionError, sqlite3.Error)):
        asyncio.run(run(next(one for one in TRIED if one.name == "cancel what runs")))
