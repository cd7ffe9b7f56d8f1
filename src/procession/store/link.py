"""Opens connections to PostgreSQL that notice when the other side is gone, poolers included.

Behind a pooler that gives every transaction another server connection (PgBouncer's transaction
mode) nothing outlasts a transaction: no prepared statement, no LISTEN, no session setting. Such a
pooler is known by the key for cancelling that it hands out: the key names no server process.
"""

from __future__ import annotations

import contextlib
import socket
from typing import Any

import asyncpg

from procession.core.errors import Overloaded

CONNECT_S_MAX = 10.0
COMMAND_S_MAX = 20.0
STATEMENTS_MAX = 256
SILENT_S_MAX = 5
"""A connection whose other side is silent for so long, though asked, is given up."""
LOST = (
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # a statement on a connection that has just been told of its end
    asyncpg.PostgresConnectionError,
    asyncpg.exceptions.OperatorInterventionError,  # shutting down, crashed, or not yet recovered
    asyncpg.exceptions.InsufficientResourcesError,  # no disk, memory or connection left
    asyncpg.exceptions.IdleInTransactionSessionTimeoutError,
    asyncpg.exceptions.PostgresIOError,  # its disk takes no more, where no fuller word is known
    asyncpg.exceptions.ReadOnlySQLTransactionError,  # another server is the primary now
    OSError,
    TimeoutError,
)
"""What is raised when the connection or its server is gone; what was under way is unknown."""


_WATCHING = "; ".join(
    f"SET tcp_keepalives_{name}" for name in ("idle = 5", "interval = 2", "count = 5")
)


class Link(asyncpg.Connection):  # type: ignore[misc, type-arg, unused-ignore]
    """A connection that a vanished server does not keep waiting, and that needs no reset."""

    __slots__ = ()

    def __init__(self, protocol: Any, transport: Any, *rest: Any) -> None:
        super().__init__(protocol, transport, *rest)
        watch(transport.get_extra_info("socket"))

    def get_reset_query(self) -> str:
        """Nothing of a session is ever changed, so there is nothing to take back."""
        return ""

    async def is_direct(self) -> bool:
        """Whether the server process at the other end is this connection's alone."""
        # One plain query: behind a pooler anything prepared may be elsewhere at the next word.
        told = await self.execute(f"SELECT WHERE pg_backend_pid() = {self.get_server_pid()}")
        direct = bool(told == "SELECT 1")
        if direct:
            await self.be_watched()
        return direct

    async def be_watched(self) -> None:
        """Have the server notice when this side is gone: its process would wait for hours, and
        every partition would leave some of them behind."""
        await self.execute(_WATCHING)


async def connect(address: str, *, direct: bool = True) -> Link:
    """Raises one of LOST, or asyncpg.PostgresError."""
    link: Link = await asyncpg.connect(address, **options(direct=direct))
    return link


def options(*, direct: bool) -> dict[str, Any]:
    """What every connection is opened with."""
    return {
        "timeout": CONNECT_S_MAX,
        "command_timeout": COMMAND_S_MAX,
        "statement_cache_size": STATEMENTS_MAX if direct else 0,
        "connection_class": Link,
    }


def watch(sock: Any) -> None:
    """Have the kernel notice a silent other side within SILENT_S_MAX; sockets of this machine
    need no watching."""
    if sock.family not in (socket.AF_INET, socket.AF_INET6):
        return
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    wanted = {"TCP_KEEPIDLE": 2, "TCP_KEEPINTVL": 1, "TCP_KEEPCNT": SILENT_S_MAX - 2}
    for name, value in (wanted | {"TCP_USER_TIMEOUT": SILENT_S_MAX * 1_000}).items():
        with contextlib.suppress(AttributeError, OSError):  # not every system has all of them
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


def away(error: BaseException) -> Overloaded:
    """One of LOST, as callers are told of it."""
    if isinstance(error, asyncpg.DiskFullError):
        return Overloaded("the database's disk is full; try again when there is space")
    return Overloaded("the database is away; try again")
