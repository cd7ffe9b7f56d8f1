"""All that is in a database, to be compared with what is in it later."""

from __future__ import annotations

from typing import Any

from settable_engine import Site

from procession.store.sqlite import SqliteConnection

TABLES = (
    "account",
    "agent",
    "audit",
    "delivery",
    "event",
    "item",
    "meta",
    "output",
    "phone",
    "process",
    "snapshot",
    "token",
    "tenant",
)


def written(site: Site, but: str = "") -> dict[str, list[Any]]:
    """Every row of every table except one."""
    inner = site.connection.inner
    assert isinstance(inner, SqliteConnection)
    return {
        table: sorted(inner._db.execute(f"SELECT * FROM {table}").fetchall(), key=repr)
        for table in TABLES
        if table != but
    }
