"""Statements for one row as statements for many, and several of them as one, for PostgreSQL.

A round trip costs more than the rows it carries: what a turn writes goes out together.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import partial

from procession.store.statements import Statement

_NUMBER = re.compile(r"\$(\d+)")
_VALUES = re.compile(r"VALUES\s*\(([^)]*)\)", re.DOTALL)
_NONE_KEPT = "given_process_id IN (SELECT process_id FROM first)"


def bulk_text(statement: Statement, types: Sequence[str]) -> str:
    """A statement for one row as the same statement for arrays of rows."""
    names = [f"given_{name}" for name in statement.parameters]
    arrays = ", ".join(f"${n}::{type_}[]" for n, type_ in enumerate(types, 1))
    rows = f"unnest({arrays}) AS given({', '.join(names)})"
    text = _NUMBER.sub(lambda match: names[int(match[1]) - 1], statement.text)
    if text.startswith(("SELECT", "WITH")):
        rows = f"unnest({arrays}) WITH ORDINALITY AS given({', '.join(names)}, place)"
        return f"SELECT given.place, found.* FROM {rows}, LATERAL ({text}) AS found"  # noqa: S608
    if text.startswith("INSERT"):
        return _VALUES.sub(lambda match: f"SELECT {match[1]} FROM {rows}", text)  # noqa: S608
    head, _, condition = text.rpartition("\nWHERE ")
    return f"{head}\nFROM {rows}\nWHERE {condition}"


def together_text(parts: Sequence[tuple[str, int]]) -> str:
    """Writing statements (text, number of parameters) as one, which gives the rows each touched.

    They see nothing of each other: no two of them may write the same row.
    """
    counts = ", ".join(f"(SELECT count(*) FROM part{n})" for n in range(len(parts)))  # noqa: S608
    written = ", ".join(
        f"part{n} AS ({text}\nRETURNING 1)" for n, text in enumerate(_numbered(parts))
    )
    return f"WITH {written} SELECT {counts}"


def following_text(parts: Sequence[tuple[str, int]], channel: str) -> str:
    """Inserts (text, number of parameters) as one: rows of the later ones count only where the
    first has inserted their process. Gives the ids of those; the last parameter is a notice."""
    first, *others = _numbered(parts)
    written = [f"first AS ({first}\nRETURNING process_id)"]
    written += [f"part{n} AS ({text}\nWHERE {_NONE_KEPT})" for n, text in enumerate(others)]
    last = sum(count for _, count in parts) + 1
    return (
        f"WITH {', '.join(written)} SELECT process_id FROM first UNION ALL"  # noqa: S608
        f" SELECT NULL FROM pg_notify('{channel}', ${last}) WHERE ${last}::text <> ''"
    )


def _numbered(parts: Sequence[tuple[str, int]]) -> list[str]:
    """The texts with their parameters counted on from one to the next."""
    texts, before = [], 0
    for text, count in parts:
        texts.append(_NUMBER.sub(partial(_counted_on, before), text))
        before += count
    return texts


def _counted_on(before: int, match: re.Match[str]) -> str:
    return f"${before + int(match[1])}"
