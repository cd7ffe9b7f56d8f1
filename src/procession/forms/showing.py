"""How values are put into words and places on a page."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from procession.forms.addresses import is_own_file, is_web
from procession.forms.signature import PREFIX

KIB = 1024
SECOND_MS = 1_000
MINUTE_S = 60
HOUR_S = 3_600
DAY_S = 86_400
KINDS_OF_FILES = {
    "image/*": "pictures",
    "video/*": "videos",
    "audio/*": "sound",
    "text/*": "text",
    "image/png": "PNG",
    "image/jpeg": "JPEG",
    "application/pdf": "PDF",
    ".pdf": "PDF",
}


def plain(value: object) -> str:
    """A text or number to show in its field again; anything else as nothing."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return ""
    return str(value)


def kept(value: object) -> list[dict[str, Any]]:
    """The stored files of an answer, as `key`, `name` and `size`."""
    entries = value if isinstance(value, list | tuple) else [value]
    return [file for file in map(_kept_file, entries) if file]


def _kept_file(entry: object) -> dict[str, Any] | None:
    facts: Mapping[str, Any] = entry if isinstance(entry, Mapping) else {"key": entry}
    key = facts.get("key")
    if not isinstance(key, str) or not key:
        return None
    return {"key": key, "name": facts.get("name") or key.rpartition("/")[2], "size": _size(facts)}


def _size(facts: Mapping[str, Any]) -> int | None:
    size = facts.get("size")
    return size if isinstance(size, int) and size > 0 else None


def drawn(value: object) -> str:
    """A drawn signature to show again."""
    return value if isinstance(value, str) and value.startswith(PREFIX) else ""


def sentence(message: str) -> str:
    """A message beside its field, where the field's name does not stand before it."""
    return f"This {message}" if message.startswith(("is ", "has ", "must ", "names ")) else message


def site(address: str) -> str:
    """The host of another site, nothing for an own file."""
    return urlsplit(address).hostname or "" if is_web(address) else ""


def byte_words(count: int) -> str:
    """`300 bytes`, `12 KB`, `2.5 MB`."""
    if count < KIB:
        return f"{count} byte" + ("s" if count != 1 else "")
    if count < KIB * KIB:
        return f"{count / KIB:.0f} KB"
    return f"{count / KIB / KIB:.1f}".removesuffix(".0") + " MB"


def accepted(kinds: Sequence[str]) -> str:
    """What a file may be, in words: `pictures, PDF, .csv`."""
    return ", ".join(KINDS_OF_FILES.get(kind, kind) for kind in kinds)


def duration(length_ms: int) -> str:
    """`0.4 s`, `12 s`, `3 min 5 s`, `2 h 10 min`, `1 d 4 h`."""
    if length_ms < 10 * SECOND_MS:
        return f"{length_ms / SECOND_MS:.1f} s"
    seconds = length_ms // SECOND_MS
    if seconds < MINUTE_S:
        return f"{seconds} s"
    if seconds < HOUR_S:
        return _two(seconds, MINUTE_S, "min", 1, "s")
    if seconds < DAY_S:
        return _two(seconds, HOUR_S, "h", MINUTE_S, "min")
    return _two(seconds, DAY_S, "d", HOUR_S, "h")


def _two(seconds: int, large: int, large_word: str, small: int, small_word: str) -> str:
    rest = seconds % large // small
    return f"{seconds // large} {large_word}" + (f" {rest} {small_word}" if rest else "")


def moment(wire: str) -> str:
    """`2030-01-31T12:00:00Z` as `2030-01-31 12:00 UTC`."""
    return f"{wire[:10]} {wire[11:16]} UTC"


def addresses(
    origin: str, file_address: Callable[[str], str | None]
) -> dict[str, Callable[[str], str | None]]:
    """How addresses of a form are shown, by the reader's right to the server's own files."""

    def own_file(address: str) -> str | None:
        path = address.removeprefix(origin) if origin else address
        return file_address(path) if is_own_file(path) else None

    def linked(address: str) -> str | None:
        """Where a link may lead: an own file, or another site."""
        path = address.removeprefix(origin) if origin else address
        return file_address(path) if is_own_file(path) else web(address)

    def web(address: str) -> str | None:
        return address if is_web(address) else None

    return {"own_file": own_file, "linked": linked, "web": web}
