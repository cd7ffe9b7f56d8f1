"""Keys and names of files. A key is `<org>/<random>/<name>`, with a folder `<folder>.<random>`.

Always three segments of harmless ASCII: nothing a person typed reaches a disk, a bucket or a URL
unchanged. The name as it was typed is kept beside the content and shown on download.
"""

from __future__ import annotations

import re
import unicodedata
from typing import NamedTuple

from procession.core.errors import Invalid, NotFound

NAME_CHARS_MAX = 200
KEY_NAME_CHARS_MAX = 80
SUFFIX_CHARS_MAX = 12
FOLDER_CHARS_MAX = 64
FALLBACK = "file"

_ORG = re.compile(r"[A-Za-z0-9_-]{1,64}")
_FOLDER = re.compile(rf"[A-Za-z0-9_-]{{1,{FOLDER_CHARS_MAX}}}")
_PLACE = re.compile(rf"(?:([A-Za-z0-9_-]{{1,{FOLDER_CHARS_MAX}}})\.)?([0-9a-f]{{32}})")
_NAME = re.compile(rf"[A-Za-z0-9_-][A-Za-z0-9._-]{{0,{KEY_NAME_CHARS_MAX - 1}}}")
_OTHER = re.compile(r"[^A-Za-z0-9._-]+")
_SPLIT = re.compile(r"[/\\]")
_UNSHOWN = ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")


class FileMissing(NotFound):
    """The file is unknown."""

    code = "file_missing"


class Key(NamedTuple):
    """The parts of a key; `place` is the folder, if any, and the random part."""

    org: str
    place: str
    name: str

    @property
    def text(self) -> str:
        return f"{self.org}/{self.place}/{self.name}"


def make_key(org: str, folder: str, name: str, random: str) -> Key:
    """A key for a new file; `random` is 32 hex digits. Raises Invalid for a wrong folder."""
    if folder and not _FOLDER.fullmatch(folder):
        rule = f"1 to {FOLDER_CHARS_MAX} letters, digits, - and _"
        raise Invalid("/folder", f"must be {rule}")
    place = f"{folder}.{random}" if folder else random
    return read_key(f"{org}/{place}/{_key_name(name)}")


def read_key(text: str) -> Key:
    """The parts of a key. Raises FileMissing for whatever `make_key` would never make."""
    parts = text.split("/")
    if len(parts) != 3:
        raise FileMissing
    key = Key(*parts)
    if not (_ORG.fullmatch(key.org) and _PLACE.fullmatch(key.place) and _NAME.fullmatch(key.name)):
        raise FileMissing
    return key


def shown_name(name: str) -> str:
    """A file name that is safe to show: no path, nothing invisible, at most `NAME_CHARS_MAX`."""
    last = _SPLIT.split(name)[-1]
    seen = "".join(c for c in last if unicodedata.category(c) not in _UNSHOWN)
    stem, suffix = _halves(unicodedata.normalize("NFC", seen).strip(" .") or FALLBACK)
    return stem[: NAME_CHARS_MAX - len(suffix)] + suffix


def _key_name(name: str) -> str:
    plain = unicodedata.normalize("NFKD", shown_name(name)).encode("ascii", "ignore").decode()
    stem, suffix = _halves(_OTHER.sub("_", plain))
    stem = stem.strip("._")[: KEY_NAME_CHARS_MAX - len(suffix)] or FALLBACK
    return stem + suffix.rstrip(".")


def _halves(name: str) -> tuple[str, str]:
    """A name without and with its suffix, which is empty where it would be long."""
    stem, dot, suffix = name.rpartition(".")
    if not dot or len(suffix) >= SUFFIX_CHARS_MAX:
        return name, ""
    return stem, dot + suffix
