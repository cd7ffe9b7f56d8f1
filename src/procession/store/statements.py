"""Reads the .sql files: named statements, with the two words of a dialect filled in.

A block starts with `-- name: why`. Parameters are written `:name` and become numbered
(`?1` or `$1`), in the order of their first appearance. `IN {word}` stands for a
list parameter of that name, `{for_update}` and `{skip_locked}` for the row locks where there are
any. A line that ends in `-- if name` is part of the statement only when that parameter is given,
one that ends in `-- if !name` only when it is not.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from importlib import resources
from typing import Any, NamedTuple

_HEAD = re.compile(r"^-- (\w+): .+$", re.MULTILINE)
_PARAMETER = re.compile(r"(?<![:\w]):([a-z_]+)\b")
_ONLY = re.compile(r"^-- only on (\w+)$", re.MULTILINE)
_OPTIONAL = re.compile(r" -- if (!?)(\w+)$", re.MULTILINE)
_WORD = re.compile(r"(?:\b(NOT )?IN )?\{(\w+)\}")


class Dialect(NamedTuple):
    """What differs between two databases in the text of a statement."""

    placeholder: str
    each: str
    """What stands for `IN {list}`; `{p}` is its placeholder, `{type}` of what."""
    none: str
    """What stands for `NOT IN {list}`."""
    for_update: str
    skip_locked: str
    """The row lock on process `p` and item `i` that passes over what others hold."""


class Statement(NamedTuple):
    """SQL ready for a driver, and the names of its parameters in their order."""

    text: str
    parameters: tuple[str, ...]


class Choice:
    """A statement with optional lines: a Statement for each set of parameters given."""

    def __init__(self, text: str, dialect: Dialect) -> None:
        self._text = text
        self._dialect = dialect
        self._names = frozenset(name for _, name in _OPTIONAL.findall(text))
        self._chosen: dict[frozenset[str], Statement] = {}

    def given(self, values: Mapping[str, Any]) -> Statement:
        """The statement for these values; an empty one counts as not given."""
        names = frozenset(name for name in self._names if values[name])
        statement = self._chosen.get(names)
        if statement is None:
            statement = self._chosen[names] = _statement(self._lines(names), self._dialect)
        return statement

    def variants(self) -> list[Statement]:
        """The statement with all optional parameters given, and with none."""
        return [self.given(dict.fromkeys(self._names, wanted)) for wanted in (True, False)]

    def _lines(self, names: frozenset[str]) -> str:
        kept = []
        for line in self._text.splitlines():
            condition = _OPTIONAL.search(line)
            if condition is None or (condition[2] in names) == (condition[1] == ""):
                kept.append(_OPTIONAL.sub("", line))
        return "\n".join(kept)


def read_statements(dialect: Dialect) -> dict[str, Statement | Choice]:
    """All statements of `sql/*.sql` by name."""
    statements: dict[str, Statement | Choice] = {}
    for file in sorted(resources.files("procession.store").joinpath("sql").iterdir(), key=str):
        blocks = _HEAD.split(file.read_text(encoding="utf-8"))
        for name, text in zip(blocks[1::2], blocks[2::2], strict=True):
            assert name not in statements, name
            plain = text.strip().rstrip(";")
            optional = _OPTIONAL.search(plain)
            statements[name] = Choice(plain, dialect) if optional else _statement(plain, dialect)
    return statements


def script_for(database: str, text: str) -> list[str]:
    """The statements of a migration, without those that say `-- only on <another database>`."""
    wanted = []
    for statement in text.split(";\n"):
        only = _ONLY.search(statement)
        if statement.strip() and (only is None or only[1] == database):
            wanted.append(statement)
    return wanted


def _statement(text: str, dialect: Dialect) -> Statement:
    names: list[str] = []

    def placeholder(parameter: str) -> str:
        if parameter not in names:
            names.append(parameter)
        return dialect.placeholder.format(n=names.index(parameter) + 1)

    text = _WORD.sub(_word(dialect), text)
    text = _PARAMETER.sub(lambda match: placeholder(match[1]), text)
    return Statement(text, tuple(names))


def _word(dialect: Dialect) -> Callable[[re.Match[str]], str]:
    def filled(match: re.Match[str]) -> str:
        negated, word = match.groups()
        if word in ("for_update", "skip_locked"):
            return str(getattr(dialect, word))
        kind = "bigint" if word.endswith("_numbers") else "text"
        text = dialect.none if negated else dialect.each
        return text.format(p=f":{word}", type=kind)

    return filled
