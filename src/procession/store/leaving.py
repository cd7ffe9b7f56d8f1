"""The SQLite file that an installation leaves."""

from __future__ import annotations

from collections.abc import Iterator
from graphlib import TopologicalSorter

from procession.store.connection import Row
from procession.store.sqlite import SqliteConnection

DATABASES_OWN = frozenset({"meta", "migration", "server", "turn"})
"""What is about a database, not about the installation in it."""


class Source(SqliteConnection):
    """A file with an installation; its tables and columns are those of our migrations."""

    def is_ours(self) -> bool:
        """Whether there is an installation in it at all."""
        return "migration" in self._all_tables()

    def tables(self) -> list[str]:
        """Those that hold the installation, each after those it refers to."""
        graph = TopologicalSorter(
            {
                table: {row[2] for row in self._db.execute(f"PRAGMA foreign_key_list({table})")}
                for table in self._all_tables()
                if table not in DATABASES_OWN
            }
        )
        return list(graph.static_order())

    def columns(self, table: str) -> list[str]:
        return [str(row[1]) for row in self._db.execute(f"PRAGMA table_info({table})")]

    def count(self, table: str) -> int:
        return int(self._db.execute(select("count(*)", table)).fetchone()[0])

    def rows(self, table: str) -> Iterator[Row]:
        yield from self._db.execute(select(", ".join(self.columns(table)), table))

    def refuse_writes(self, why: str) -> None:
        """Every table refuses, from this transaction's end on, whoever writes."""
        told = why.replace("'", "''")
        for table in self._all_tables():
            for verb in ("INSERT", "UPDATE", "DELETE"):
                self._db.execute(
                    f"CREATE TRIGGER moved_{table}_{verb.lower()} BEFORE {verb} ON {table}"
                    f" BEGIN SELECT RAISE(ABORT, '{told}'); END"
                )

    def _all_tables(self) -> list[str]:
        """Without those a search index keeps for itself."""
        found = self._db.execute(
            "SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'table'"
            " AND name NOT LIKE 'sqlite!_%' ESCAPE '!' ORDER BY name"
        )
        return [str(row[0]) for row in found]


def select(what: str, table: str) -> str:
    """Names are taken from the schema, never from a caller."""
    return f"SELECT {what} FROM {table}"  # noqa: S608
