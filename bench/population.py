"""Millions of processes, made by the database itself: written as rows, not lived through.

Of the first tenant nearly all have ended; the newest hundredth waits or runs. Kinds, states,
phones and accounts are spread unevenly, as they are in use: some are rare, some are everywhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from importlib import resources
from typing import Protocol

ROWS_A_CHUNK = 250_000
MEMBERS = 20
FAN_OUT_EVERY = 1_000
PHONES = 500
ACCOUNTS = 20_000
STARTED_MS = 1_767_225_600_000
"""When the first was created; one a second since."""
_REQUEST = (
    '{"face":"execution","inputs":{"text":"' + "x" * 250 + '"},'
    '"requested_by":{"system":"bench","user":"operator@example.com","metadata":{}},'
    '"target":{"routing":"queue"},"attempts_max":3,"time_limit_ms":60000}'
)

_NUMBERS = {
    "postgresql": "generate_series({first}::bigint, {last}::bigint) AS made(n)",
    "sqlite": "(WITH RECURSIVE made(n) AS (SELECT {first} UNION ALL SELECT n + 1 FROM made"
    " WHERE n < {last}) SELECT n FROM made) AS made",
}
_HEX = {"postgresql": "lpad(to_hex({0}), {1}, '0')", "sqlite": "printf('%0{1}x', {0})"}

_PROCESSES = """
INSERT INTO process (number, process_id, tenant_id, namespace, process_type, system, request_id,
  created_ms, version, state, due_ms, finished_ms, phone_id, account_id, standing, request)
SELECT n, process_id, tenant_id, namespace, process_type, 'bench', request_id, created_ms, 4, state,
  CASE WHEN finished_ms IS NULL THEN created_ms + 604800000 END, finished_ms,
  CASE WHEN fan_out THEN NULL ELSE phone_id END, CASE WHEN fan_out THEN NULL ELSE account_id END,
  '["' || state || '",' || created_ms || ',' || created_ms || ',' || created_ms || ',null,null,'
  || coalesce(finished_ms || '', 'null') || ',{{"run":{{"' || item_state || '":'
  || CASE WHEN fan_out THEN {members} ELSE 1 END || '}}}},'
  || CASE WHEN fan_out THEN 'null,null' ELSE '"' || phone_id || '","' || account_id || '"' END
  || ',null,"",1,null,{{"done":true}},null]',
  '{request}'
FROM (
  SELECT *, CASE WHEN state = 'completed' OR state = 'failed' OR state = 'cancelled'
      OR state = 'partial' THEN created_ms + 30000 END AS finished_ms,
    CASE WHEN state = 'completed' OR state = 'failed' OR state = 'cancelled' OR state = 'queued'
      OR state = 'running' THEN state ELSE 'completed' END AS item_state
  FROM (
    SELECT n, '01900000-0000-7000-8000-' || {id} AS process_id,
      CASE WHEN n % 20 = 7 THEN 2 ELSE 1 END AS tenant_id,
      CASE WHEN mixed % 100000 = 1 THEN 'rare' WHEN mixed % 100 < 60 THEN 'default'
        WHEN mixed % 100 < 85 THEN 'team.north' ELSE 'team.south' END AS namespace,
      CASE WHEN mixed / 100 % 50000 = 1 THEN 'yearly_audit' WHEN mixed / 100 % 100 < 40 THEN 'echo'
        WHEN mixed / 100 % 100 < 70 THEN 'keyword_warmup'
        WHEN mixed / 100 % 100 < 85 THEN 'fyp_warmup'
        WHEN mixed / 100 % 100 < 95 THEN 'post_video' ELSE 'maintenance' END AS process_type,
      CASE WHEN n % 2 = 0 THEN 'Daily-2026-' || {serial} ELSE {random} END AS request_id,
      {started} + n * 1000 AS created_ms,
      'phone_' || (mixed / 7 % {phones}) AS phone_id,
      'account_' || (mixed / 3 % {accounts}) AS account_id,
      n % {fan_out_every} = 0 AS fan_out,
      CASE WHEN n <= {ended} THEN CASE WHEN mixed / 1000 % 1000 < 935 THEN 'completed'
          WHEN mixed / 1000 % 1000 < 975 THEN 'failed'
          WHEN mixed / 1000 % 1000 < 995 THEN 'cancelled' ELSE 'partial' END
        WHEN mixed % 1000 < 970 THEN 'queued' WHEN mixed % 1000 < 990 THEN 'running'
        WHEN mixed % 1000 < 995 THEN 'retrying' WHEN mixed % 1000 < 999 THEN 'waiting'
        ELSE 'cancelling' END AS state
    FROM (SELECT n, n * 2654435761 % 4294967296 AS mixed FROM {numbers}) AS spread
  ) AS shaped
) AS told"""

_MEMBERS = """
INSERT INTO item (item_id, process_id, tenant_id, capability, queue, step, state, attempt,
  attempts_max, lost, stop_order, phone_id, account_id, finished_ms, result, fan_out_number)
SELECT '01900000-0000-7000-8000-' || {item_id}, '01900000-0000-7000-8000-' || {id},
  CASE WHEN n % 20 = 7 THEN 2 ELSE 1 END, 'echo', 'phones', 'run', 'completed', 1, 1, 0, 'none',
  'phone_' || ((n / {fan_out_every} + member) % {phones}),
  'account_' || ((n / {fan_out_every} * 7 + member) % {accounts}), {started} + n * 1000, '{{}}', n
FROM (SELECT n * {fan_out_every} AS n FROM {numbers}) AS fans CROSS JOIN (
  SELECT n - 1 AS member FROM {members_of}) AS members"""


_ITEMS = """
INSERT INTO item (item_id, process_id, tenant_id, capability, queue, step, state, attempt,
  attempts_max, lost, stop_order, finished_ms, result)
SELECT '01900000-0000-7000-8000-' || {own_item}, process_id, tenant_id, 'echo', 'phones', 'run',
  CASE WHEN finished_ms IS NULL THEN 'queued' ELSE 'completed' END, 0, 3, 0, 'none', finished_ms,
  '{{}}'
FROM process WHERE (state = 'queued' OR finished_ms IS NOT NULL) AND number % {fan_out_every} > 0"""


class Scripted(Protocol):
    async def run_script(self, text: str) -> None: ...


async def populate(
    connection: Scripted, database: str, rows: int, more: Sequence[str] = ()
) -> None:
    """Make an empty database's tables, that many processes, and the indexes; in this order.

    `more` is run before there are indexes.
    """
    tables, indexes = _schema()
    await connection.run_script(tables)
    for text in (*statements(database, rows), *more):
        await connection.run_script(text)
    await connection.run_script(indexes)
    await connection.run_script("ANALYZE")


def statements(database: str, rows: int, waiting: int | None = None) -> Iterator[str]:
    """What makes the processes, and the members of those that are fan-outs.

    The newest `waiting` have not ended: a hundredth unless it is given.
    """
    words = {
        "request": _REQUEST,
        "members": MEMBERS,
        "fan_out_every": FAN_OUT_EVERY,
        "phones": PHONES,
        "accounts": ACCOUNTS,
        "started": STARTED_MS,
        "ended": rows - (rows // 100 if waiting is None else waiting),
        "id": _HEX[database].format("n * 65536", 12),
        "item_id": _HEX[database].format("n * 65536 + 1 + member", 12),
        "serial": _HEX[database].format("n", 7),
        "random": _HEX[database].format("mixed * 1048573 + n", 16),
        "members_of": _NUMBERS[database].format(first=1, last=MEMBERS),
    }
    for first in range(1, rows + 1, ROWS_A_CHUNK):
        last = min(rows, first + ROWS_A_CHUNK - 1)
        yield _PROCESSES.format(numbers=_NUMBERS[database].format(first=first, last=last), **words)
    fans = rows // FAN_OUT_EVERY
    if fans:
        yield _MEMBERS.format(numbers=_NUMBERS[database].format(first=1, last=fans), **words)


def items(database: str) -> str:
    """What makes the one item of each process that waits or has ended, in one queue for all."""
    words = {"own_item": _HEX[database].format("number * 65536 + 1", 12)}
    return _ITEMS.format(fan_out_every=FAN_OUT_EVERY, **words)


def _schema() -> tuple[str, str]:
    """The migrations, with what makes indexes apart: they are built faster over rows."""
    folder = resources.files("procession.store").joinpath("migrations")
    files = sorted((file for file in folder.iterdir() if file.name.endswith(".sql")), key=str)
    texts = [text for file in files for text in file.read_text(encoding="utf-8").split(";\n")]
    later = re.compile(r"^CREATE (?:UNIQUE )?INDEX (\w+)", re.MULTILINE)
    tables = [text for text in texts if not later.search(text)]
    # Where a table was made anew, its indexes were too.
    indexes = {made[1]: text for text in reversed(texts) if (made := later.search(text))}
    return ";\n".join(tables), ";\n".join(reversed(indexes.values()))
