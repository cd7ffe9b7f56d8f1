"""The opaque cursor of a list: the number of the last process shown, with a check on it."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from hashlib import blake2b

from procession.core.errors import Invalid
from procession.store.store import LATEST

_NUMBER_BYTES = 8
_CHECK_BYTES = 4
_PERSON = b"list-cursor"


def cursor_of(number: int) -> str:
    """The cursor for what follows the process with this number."""
    raw = number.to_bytes(_NUMBER_BYTES, "big")
    return urlsafe_b64encode(raw + _check(raw)).decode()


def number_of(cursor: str) -> int:
    """The number below which a page begins. Raises Invalid."""
    if not cursor:
        return LATEST
    try:
        raw = urlsafe_b64decode(cursor.encode("ascii"))
    except ValueError:
        raw = b""
    number, check = raw[:_NUMBER_BYTES], raw[_NUMBER_BYTES:]
    if len(raw) != _NUMBER_BYTES + _CHECK_BYTES or check != _check(number):
        raise Invalid("/cursor", "is not the next_cursor of a page")
    return min(int.from_bytes(number, "big"), LATEST)


def _check(raw: bytes) -> bytes:
    return blake2b(raw, digest_size=_CHECK_BYTES, person=_PERSON).digest()
