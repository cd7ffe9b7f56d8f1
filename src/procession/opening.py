"""Opens an engine on the database a setting names; nothing above here knows which one it is."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import cast

import asyncpg
import structlog

from procession import clock
from procession.elsewhere import Elsewhere
from procession.engine import Engine
from procession.settings import SettingInvalid, Settings
from procession.store.connection import Connection
from procession.store.database_clock import DatabaseClock
from procession.store.ledger import Ledger, ThreadWriter, Writer, ended
from procession.store.loop_writer import LoopWriter
from procession.store.migrate import Server, migrate
from procession.store.outage import Outage
from procession.store.postgres import LOST, PostgresConnection
from procession.store.postgres_reader import PostgresReader
from procession.store.sqlite import SqliteConnection
from procession.store.store import Store
from procession.wakeup import Wakeup

SQLITE = "sqlite:///"
POSTGRES = ("postgresql://", "postgres://")
CLOCKS_APART_MS_MAX = 5_000

_log = structlog.get_logger(__name__)


def open_engine(
    settings: Settings, server: Server | None = None
) -> AbstractAsyncContextManager[Engine]:
    """An engine on a database that is created or brought up to date first.

    A `server` is noted as at work there. Raises DatabaseRefused, and SettingInvalid when the
    address is neither `sqlite:///<file>` nor `postgresql://…`, or the database cannot be reached.
    """
    if is_shared(settings.database):
        return _open_postgres(settings, server)
    return _open_sqlite(settings, server)


def database_path(database: str) -> str:
    """The file of a `sqlite:///…` address. Raises SettingInvalid."""
    if not database.startswith(SQLITE) or database == SQLITE:
        raise SettingInvalid(
            f"database: {database!r} is neither sqlite:///<file> nor postgresql://<address>"
        )
    return database.removeprefix(SQLITE)


def is_shared(database: str) -> bool:
    """Whether other servers may be at work on this database too."""
    return database.startswith(POSTGRES)


@asynccontextmanager
async def _open_sqlite(settings: Settings, server: Server | None) -> AsyncGenerator[Engine, None]:
    path = database_path(settings.database)
    writing = SqliteConnection(path)
    ended(migrate(writing, clock.now_ms(), server=server))
    reading = SqliteConnection(path, read_only=True)
    writer = ThreadWriter(Store(writing), clock.now_ms)
    engine = _engine(settings, writer, reading, Wakeup(), clock.now_ms)
    try:
        yield engine
    finally:
        await engine.ledger.close()
        reading.close()
        writing.close()


@asynccontextmanager
async def _open_postgres(settings: Settings, server: Server | None) -> AsyncGenerator[Engine, None]:
    async with AsyncExitStack() as opened:
        try:
            writing = await PostgresConnection.open(settings.database)
            opened.push_async_callback(writing.close)
            hearing = await PostgresConnection.open(settings.database)
            opened.push_async_callback(hearing.close)
            time = DatabaseClock(clock.now_ms, clock.steady_ms)
            await time.look(writing.now_ms)
            if abs(time.wall_apart_ms) > CLOCKS_APART_MS_MAX:
                _log.warning("clock_apart_from_database", ahead_ms=time.wall_apart_ms)
            outage = Outage(time.now_ms)
            reader = await PostgresReader.open(settings.database, outage, direct=writing.direct)
            opened.push_async_callback(reader.close)
        except (*LOST, asyncpg.PostgresError) as error:
            raise SettingInvalid(f"database: cannot be opened: {error}") from None
        await migrate(writing, time.now_ms(), server=server)
        writer = LoopWriter(writing, time, settings.lease_ms, outage)
        # Of a Connection, readers use `fetch` alone.
        reading = cast(Connection, reader)
        engine = _engine(settings, writer, reading, Wakeup(), time.now_ms)
        opened.push_async_callback(engine.ledger.close)
        elsewhere = Elsewhere(hearing, writing, reading, engine.wakeup)
        looking = asyncio.create_task(elsewhere.run(time))
        opened.push_async_callback(_end, looking)
        yield engine


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def _engine(
    settings: Settings,
    writer: Writer,
    reading: Connection,
    wakeup: Wakeup,
    now_ms: Callable[[], int],
) -> Engine:
    return Engine(
        ledger=Ledger(writer, wakeup.saved),
        store=Store(reading),
        wakeup=wakeup,
        settings=settings,
        now_ms=now_ms,
        chance=clock.chance,
        new_id=clock.new_id,
    )
