"""Content types: what is kept of the given one, and what a browser may show."""

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
