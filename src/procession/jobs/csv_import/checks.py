"""Cells to values: a whole column at once while all of it is well, cell by cell where not."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, datetime
from math import isfinite
from typing import Any

INT_MIN, INT_MAX = -(2**63), 2**63 - 1
SHOWN_CHOICES = 5
BOOLS = {
    **dict.fromkeys(("true", "t", "yes", "y", "on", "1"), True),
    **dict.fromkeys(("false", "f", "no", "n", "off", "0"), False),
}

One = Callable[[str], Any]
Many = Callable[[Sequence[str]], list[Any]]


class Check:
    """Reads the cells of one column."""

    __slots__ = ("_default", "_many", "_one", "_required")

    def __init__(self, one: One, many: Many, *, required: bool, default: Any) -> None:
        self._one = one
        self._many = many
        self._required = required
        self._default = None
        if default is not None:
            self._default = self.cell(str(default))

    def cell(self, text: str | None) -> Any:
        """The value of one cell. Raises ValueError that ends a sentence about it."""
        if text is None or text == "":
            if self._required:
                raise ValueError("must not be empty")
            return self._default
        if "\0" in text:
            raise ValueError("holds a NUL character")
        return self._one(text)

    def column(self, texts: Sequence[str]) -> list[Any]:
        """The values of many cells. Raises ValueError when any of them is wrong."""
        if "" not in texts:
            return self._many(texts)
        if self._required:
            raise ValueError
        full = self._many([text for text in texts if text != ""])
        values = iter(full)
        return [next(values) if text != "" else self._default for text in texts]


def check_of(
    kind: str,
    *,
    required: bool = False,
    default: Any = None,
    max_chars: int = 10_000,
    choices: Sequence[str] = (),
    format: str = "",
) -> Check:
    """The check of a type. Raises ValueError for a default that does not pass it."""
    readers: dict[str, Callable[[], tuple[One, Many]]] = {
        "text": lambda: _text(max_chars),
        "enum": lambda: _enum(choices),
        "date": lambda: _date(format),
        "int": lambda: (_int, _ints),
        "float": lambda: (_float, _floats),
        "bool": lambda: (_bool, _bools),
    }
    one, many = readers[kind]()
    return Check(one, many, required=required, default=default)


def _text(max_chars: int) -> tuple[One, Many]:
    def one(text: str) -> str:
        if len(text) > max_chars:
            raise ValueError(f"has {len(text)} characters, {max_chars} at most")
        return text

    def many(texts: Sequence[str]) -> list[Any]:
        if texts and (max(map(len, texts)) > max_chars or "\0" in "".join(texts)):
            raise ValueError
        return list(texts)

    return one, many


def _int(text: str) -> int:
    try:
        value = int(text)
    except ValueError:
        raise ValueError("is no whole number") from None
    if "_" in text or not INT_MIN <= value <= INT_MAX:
        raise ValueError("is no whole number of 64 bits")
    return value


def _ints(texts: Sequence[str]) -> list[Any]:
    values = list(map(int, texts))
    if values and (min(values) < INT_MIN or max(values) > INT_MAX or "_" in "".join(texts)):
        raise ValueError
    return values


def _float(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise ValueError("is no number") from None
    if "_" in text or not isfinite(value):
        raise ValueError("is no finite number")
    return value


def _floats(texts: Sequence[str]) -> list[Any]:
    values = list(map(float, texts))
    if not all(map(isfinite, values)) or "_" in "".join(texts):
        raise ValueError
    return values


def _bool(text: str) -> bool:
    value = BOOLS.get(text.strip().casefold())
    if value is None:
        raise ValueError("is neither true nor false")
    return value


def _bools(texts: Sequence[str]) -> list[Any]:
    values = list(map(BOOLS.get, texts))
    return [_bool(text) for text in texts] if None in values else values


def _date(format: str) -> tuple[One, Many]:
    def one(text: str) -> date:
        try:
            return parse(text.strip())
        except ValueError:
            raise ValueError(f"is no date as {format or 'YYYY-MM-DD'}") from None

    def parse(text: str) -> date:
        if format:
            return datetime.strptime(text, format).date()
        return date.fromisoformat(text)

    def many(texts: Sequence[str]) -> list[Any]:
        return list(map(parse, texts))

    return one, many


def _enum(choices: Sequence[str]) -> tuple[One, Many]:
    known = frozenset(choices)
    shown = ", ".join(choices[:SHOWN_CHOICES]) + (", …" if len(choices) > SHOWN_CHOICES else "")

    def one(text: str) -> str:
        if text not in known:
            raise ValueError(f"is none of {shown}")
        return text

    def many(texts: Sequence[str]) -> list[Any]:
        if not known.issuperset(texts):
            raise ValueError
        return list(texts)

    return one, many
