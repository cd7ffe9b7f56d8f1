"""Reads a JSON object key by key and gathers everything that is wrong with it, with its place."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import Any

import msgspec

from procession.forms.addresses import ADDRESS_RULE, is_allowed
from procession.forms.blocks import ADDRESS_CHARS_MAX

FAULTS_MAX = 20
SHOWN_CHARS_MAX = 60
UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
"""NUL and lone surrogates: no database and no page can hold them."""
_UNNAMEABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


class Faults(list[tuple[str, str]]):
    """Places and messages; those beyond the first few are not kept.

    `cells` counts those of all tables: few bytes of rows can mean very many of them.
    """

    cells = 0

    def add(self, place: str, message: str) -> None:
        if len(self) < FAULTS_MAX:
            self.append((place, message))


def shown(value: object) -> str:
    """A value as JSON, shortened, for a message."""
    try:
        text = msgspec.json.encode(value).decode()
    except (TypeError, UnicodeEncodeError, msgspec.MsgspecError):
        text = ascii(value)
    return text if len(text) <= SHOWN_CHARS_MAX else text[: SHOWN_CHARS_MAX - 1] + "…"


def is_number(value: object) -> bool:
    """Whether it is a finite number, and no truth value."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:
        return False


class Reader:
    """One object at its place. A key that is absent and one that is null are the same.

    Where several keys are given, they are spellings of one: the first that is there counts.
    A method that finds a fault notes it and gives back something harmless.
    """

    def __init__(self, value: dict[str, Any], place: str, faults: Faults) -> None:
        self.value, self.place, self.faults = value, place, faults

    def refuse(self, key: str, message: str) -> None:
        """Note a fault of the value at `key`."""
        self.faults.add(f"{self.place}.{key}" if self.place else key, message)

    def found(self, *keys: str) -> tuple[str, Any]:
        """The first key that is there, and its value; else the first key and None."""
        for key in keys:
            if self.value.get(key) is not None:
                return key, self.value[key]
        return keys[0], None

    def optional_text(self, *keys: str, chars_max: int) -> str | None:
        """A string, or None when it is absent."""
        key, value = self.found(*keys)
        if value is None:
            return None
        if not isinstance(value, str):
            self.refuse(key, f"{shown(value)} must be a string")
        elif len(value) > chars_max:
            self.refuse(key, f"{shown(value)} must have at most {chars_max} characters")
        elif UNSTORABLE.search(value):
            self.refuse(key, f"{shown(value)} must not hold NUL or half a character")
        else:
            return value
        return None

    def text(self, *keys: str, chars_max: int) -> str:
        """A string that is not blank."""
        key, value = self.found(*keys)
        if value is None:
            self.refuse(key, "is required")
        elif isinstance(value, str) and not value.strip():
            self.refuse(key, f"{shown(value)} must not be blank")
        return self.optional_text(*keys, chars_max=chars_max) or ""

    def name(self, *keys: str, chars_max: int) -> str:
        """A string fit to be a key: on one line, without blanks around it."""
        name = self.text(*keys, chars_max=chars_max)
        if _UNNAMEABLE.search(name) or (name and name != name.strip()):
            self.refuse(keys[0], f"{shown(name)} must be one line without blanks around it")
        return name

    def flag(self, key: str, default: bool) -> bool:
        """True or false."""
        value = self.value.get(key)
        if value is None or isinstance(value, bool):
            return default if value is None else value
        self.refuse(key, f"{shown(value)} must be true or false")
        return default

    def number(self, key: str) -> int | float | None:
        """A number, or None when it is absent."""
        value: int | float | None = self.value.get(key)
        if value is None or is_number(value):
            return value
        self.refuse(key, f"{shown(value)} must be a number")
        return None

    def count(self, key: str, default: int, most: int) -> int:
        """A whole number of at least one; more than `most` is taken as `most`."""
        value = self.number(key)
        if value is None:
            return default
        if value < 1 or value != int(value):
            self.refuse(key, f"{shown(value)} must be a whole number of at least 1")
            return default
        return min(int(value), most)

    def address(self, *keys: str) -> str:
        """An address that a form may point at."""
        key, value = self.found(*keys)
        address = self.text(*keys, chars_max=ADDRESS_CHARS_MAX)
        if address and not is_allowed(address):
            self.refuse(key, f"{shown(value)} {ADDRESS_RULE}")
        return address

    def items(self, key: str, most: int, least: int = 0) -> Iterator[tuple[str, Any]]:
        """The key and value of each item of an array, like `steps[0]`."""
        value = self.value.get(key)
        if value is None:
            self.refuse(key, "is required")
        elif not isinstance(value, list):
            self.refuse(key, f"{shown(value)} must be an array")
        elif not least <= len(value) <= most:
            self.refuse(key, f"has {len(value)} items and must have {least} to {most}")
        else:
            yield from ((f"{key}[{index}]", item) for index, item in enumerate(value))

    def objects(self, key: str, most: int, least: int = 0) -> Iterator[Reader]:
        """A reader of each object in an array."""
        for place, item in self.items(key, most, least):
            reader = self.into(place, item)
            if reader is not None:
                yield reader

    def into(self, key: str, value: Any) -> Reader | None:
        """A reader of an object inside this one, None when it is not an object."""
        if isinstance(value, dict):
            return Reader(value, f"{self.place}.{key}" if self.place else key, self.faults)
        self.refuse(key, f"{shown(value)} must be an object")
        return None
