"""What a database itself says, past every server."""

from __future__ import annotations

import subprocess

from postgres_server import PostgresServer, binaries

_BROKEN = """SELECT p.process_id FROM process p
JOIN (SELECT process_id, count(*) AS events, max(seq) AS last FROM event GROUP BY process_id) e
USING (process_id) WHERE p.version <> e.last OR e.events <> e.last"""


def ask(postgres: PostgresServer, database: str, text: str) -> list[str]:
    """The rows of a query, columns separated by `|`."""
    words = ["-h", str(postgres.folder), "-U", "procession", "-d", database, "-At", "-c", text]
    done = subprocess.run(
        [str(binaries() / "psql"), *words], capture_output=True, check=True, text=True, timeout=60
    )
    return done.stdout.split()


def verify_accepted(postgres: PostgresServer, database: str, accepted: dict[str, str]) -> None:
    """Every accepted request is there once, as the process it was answered with; nothing else of
    the same kind is; no log has a gap."""
    text = "SELECT request_id || '|' || process_id FROM process WHERE request_id LIKE 'persistent%'"
    found = ask(postgres, database, text)
    assert sorted(found) == sorted(f"{key}|{value}" for key, value in accepted.items())
    assert ask(postgres, database, _BROKEN) == []
