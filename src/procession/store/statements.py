"""Reads the .sql files: named statements, with the two words of a dialect filled in.

A block starts with `-- name: why`. Parameters are written `:name` and become numbered
(`?1` or `$1`), in the order of their first appearance. `{word}` after `IN` stands for a
list parameter of that name, and `{for_update}` for the row lock where there is one.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from importlib import resources
from typing import NamedTuple

_HEAD = re.compile(r"^-- (\w+): .+$", re.MULTILINE)
_PARAMETER = re.compile(r"(?<![:\w]):([a-z_]+)\b")
_WORD = re.compile(r"\{(\w+)\}")


class Dialect(NamedTuple):
    """What differs between two databases in the text of a statement."""

    placeholder: str
    each: str
    """A list parameter as the right side of IN; `{p}` is its placeholder."""
    for_update: str


class Statement(NamedTuple):
    """SQL ready for a driver, and the names of its parameters in their order."""

    name: str
    text: str
    parameters: tuple[str, ...]


def read_statements(dialect: Dialect) -> dict[str, Statement]:
    """All statements of `sql/*.sql` by name."""
    statements: dict[str, Statement] = {}
    for file in sorted(resources.files("procession.store").joinpath("sql").iterdir(), key=str):
        blocks = _HEAD.split(file.read_text(encoding="utf-8"))
        for name, text in zip(blocks[1::2], blocks[2::2], strict=True):
            assert name not in statements, name
            statements[name] = _statement(name, text.strip().rstrip(";"), dialect)
    return statements


def _statement(name: str, text: str, dialect: Dialect) -> Statement:
    names: list[str] = []

    def placeholder(parameter: str) -> str:
        if parameter not in names:
            names.append(parameter)
        return dialect.placeholder.format(n=names.index(parameter) + 1)

    text = _WORD.sub(_word(dialect), text)
    text = _PARAMETER.sub(lambda match: placeholder(match[1]), text)
    return Statement(name, text, tuple(names))


def _word(dialect: Dialect) -> Callable[[re.Match[str]], str]:
    def filled(match: re.Match[str]) -> str:
        if match[1] == "for_update":
            return dialect.for_update
        return dialect.each.format(p=f":{match[1]}")

    return filled
