"""Opens an engine on the database a setting names; nothing above here knows which one it is."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import cast

import asyncpg
import structlog
from msgspec import MsgspecError
from msgspec.json import decode

from procession import clock
from procession.engine import Engine
from procession.settings import SettingInvalid, Settings
from procession.store.connection import Connection
from procession.store.ledger import Ledger, ThreadWriter, Writer, ended
from procession.store.loop_writer import LoopWriter
from procession.store.migrate import Server, migrate
from procession.store.postgres import (
    EVERYTHING,
    LOST,
    PostgresConnection,
    PostgresReader,
)
from procession.store.sqlite import SqliteConnection
from procession.store.store import Store
from procession.wakeup import Wakeup

SQLITE = "sqlite:///"
POSTGRES = ("postgresql://", "postgres://")
READERS_MAX = 8
COMMAND_S_MAX = 60.0
LISTEN_EVERY_S = 2.0

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
    engine = _engine(settings, ThreadWriter(Store(writing), clock.now_ms), reading, Wakeup())
    try:
        yield engine
    finally:
        await engine.ledger.close()
        reading.close()
        writing.close()


@asynccontextmanager
async def _open_postgres(settings: Settings, server: Server | None) -> AsyncGenerator[Engine, None]:
    address = settings.database
    try:
        writing = await PostgresConnection.open(address)
        hearing = await PostgresConnection.open(address)
        pool = await asyncpg.create_pool(
            address, min_size=1, max_size=READERS_MAX, command_timeout=COMMAND_S_MAX
        )
    except (*LOST, asyncpg.PostgresError) as error:
        raise SettingInvalid(f"database: cannot be opened: {error}") from None
    await migrate(writing, await writing.now_ms(), server=server)
    wakeup = Wakeup()
    # Of a Connection, readers use `fetch` alone.
    reading = cast(Connection, PostgresReader(pool))
    engine = _engine(settings, LoopWriter(writing, clock.now_ms), reading, wakeup)
    listening = asyncio.create_task(_listen(hearing, writing, wakeup))
    try:
        yield engine
    finally:
        listening.cancel()
        await engine.ledger.close()
        await pool.close()
        await hearing.close()
        await writing.close()


async def _listen(hearing: PostgresConnection, writing: PostgresConnection, wakeup: Wakeup) -> None:
    """Wake those who wait for what another server has saved; listen again after a lost connection.

    A notice is a hint, never a promise: every wait looks again by itself.
    """

    def hear(sender: int, notice: str) -> None:
        if sender != writing.backend:
            wake(wakeup, notice)

    while True:
        try:
            await hearing.listen(hear)
        except (*LOST, asyncpg.PostgresError) as error:
            _log.warning("not_listening", error=str(error))
        await asyncio.sleep(LISTEN_EVERY_S)


def wake(wakeup: Wakeup, notice: str) -> None:
    """Do what a notice of another server asks for."""
    if notice == EVERYTHING:
        wakeup.saved_something()
        return
    try:
        wakeup.saved(tuple(topic) for topic in decode(notice, type=list[list[str | int]]))
    except MsgspecError:
        wakeup.saved_something()


def _engine(settings: Settings, writer: Writer, reading: Connection, wakeup: Wakeup) -> Engine:
    return Engine(
        ledger=Ledger(writer, wakeup.saved),
        store=Store(reading),
        wakeup=wakeup,
        settings=settings,
        now_ms=clock.now_ms,
        chance=clock.chance,
        new_id=clock.new_id,
    )
