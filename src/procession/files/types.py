"""Content types: what is kept of the given one, what a browser may show, what a field accepts."""

from __future__ import annotations

import re

UNKNOWN = "application/octet-stream"
SHOWN = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp", "text/plain"})
"""A browser may show these on our origin: none of them can hold a script."""

_TYPE = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]{0,62}/[a-z0-9][a-z0-9!#$&^_.+-]{0,62}")


def media_type(given: str) -> str:
    """The type without parameters, in lower case; `UNKNOWN` where it is none."""
    text = given.partition(";")[0].strip().lower()
    return text if _TYPE.fullmatch(text) else UNKNOWN


def is_shown(content_type: str) -> bool:
    """Whether a browser may show it; everything else is downloaded."""
    return content_type in SHOWN


def accepts(accept: str, name: str, content_type: str) -> bool:
    """Whether an HTML `accept` list (`.pdf, image/*, text/csv`) takes a file; empty takes all."""
    words = [word.strip().lower() for word in accept.split(",") if word.strip()]
    kind = media_type(content_type)
    return not words or any(_takes(word, name.lower(), kind) for word in words)


def _takes(word: str, name: str, kind: str) -> bool:
    if word.startswith("."):
        return name.endswith(word)
    if word.endswith("/*"):
        return word == "*/*" or kind.startswith(word[:-1])
    return kind == word
