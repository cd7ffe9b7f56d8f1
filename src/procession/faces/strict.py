"""Strict JSON: what a body may be, and a clear word about what is wrong with it.

A clean body costs one decode and one encode more than trusting it. Cheap marks decide whether a
body may be believed: few brackets bound its depth; without `\\u` escapes no string can hide a
lone surrogate, a NUL or a colon; so decoding and encoding it again gives the same number of
colons exactly when no key was there twice. Anything else is read slowly and judged word by word.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Sequence
from typing import Any, Generic, Literal, TypeVar, get_args, get_origin

import msgspec
from msgspec import Struct

from procession.capabilities.inputs import located
from procession.core.errors import Refused

DEPTH_MAX = 32
INT_DIGITS_MAX = 309
ERRORS_MAX = 20
SHOWN_CHARS_MAX = 60
BOM = b"\xef\xbb\xbf"

T = TypeVar("T")

_generic = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode
_encode_sorted = msgspec.json.Encoder(order="sorted").encode
_TO_ZEROS = bytes(48 if 48 <= byte <= 57 else byte for byte in range(256))
_HUGE = b"0" * INT_DIGITS_MAX
_STRIDE = 100
_HUGE_SAMPLED = b"0" * (INT_DIGITS_MAX // _STRIDE)
"""However they lie, so many digits in a row hold at least this many of every hundredth byte."""
_STRING = re.compile(rb'"(?>[^"\\]*(?:\\.[^"\\]*)*)(?:"|\\?\Z)', re.DOTALL)
"""Also one that is never closed: trying again from each quote in it would take for ever."""
_NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_OPENING = frozenset(b"[{")


class FieldError(Struct, frozen=True):
    """What is wrong with one value; `pointer` is a JSON pointer (RFC 6901)."""

    pointer: str
    message: str


class BodyInvalid(Refused):
    """The body breaks a rule."""

    code = "validation_failed"

    def __init__(self, errors: Sequence[FieldError] = ()) -> None:
        super().__init__("; ".join(_sentence(error) for error in errors))
        self.errors = tuple(errors)


class StrictDecoder(Generic[T]):
    """Decodes bodies into one Struct type."""

    def __init__(self, shape: type[T]) -> None:
        self._shape = shape
        self._decode = msgspec.json.Decoder(shape).decode

    def decode(self, body: bytes) -> tuple[T, bytes]:
        """The message, and the body with sorted keys and no blanks. Raises BodyInvalid."""
        canonical = sorted_if_clean(body)
        if canonical is None:
            check(body)
        try:
            return self._decode(body), canonical or _encode_sorted(_generic(body))
        except msgspec.ValidationError as refusal:
            raise BodyInvalid(explained(self._shape, _generic(body), str(refusal))) from None
        except msgspec.DecodeError as refusal:
            raise _malformed(f"the body is not JSON: {refusal}") from None


def sorted_if_clean(body: bytes) -> bytes | None:
    """The body with sorted keys if the cheap marks say `check` accepts it; None: look closer."""
    if b"\\" in body and b"\\u" in body:
        return None
    if body.count(b"{") + body.count(b"[") > DEPTH_MAX and _is_too_deep(body):
        return None
    if _HUGE_SAMPLED in body[::_STRIDE].translate(_TO_ZEROS) and _HUGE in body.translate(_TO_ZEROS):
        return None
    try:
        again = _encode_sorted(_generic(body))
    except (msgspec.MsgspecError, UnicodeError):
        return None
    return again if again.count(b":") == body.count(b":") and again[:1] == b"{" else None


def check(body: bytes) -> None:
    """Read a body slowly. Raises BodyInvalid with everything that is wrong with it."""
    text = _text(body)
    if _is_too_deep(body):
        raise _malformed(f"the body is nested deeper than {DEPTH_MAX} levels")
    try:
        value = json.loads(
            text,
            object_pairs_hook=_Pairs,
            parse_constant=_constant,
            parse_int=_int,
        )
    except json.JSONDecodeError as refusal:
        message = f"the body is not JSON: {refusal.msg} at character {refusal.pos}"
        raise _malformed(message) from None
    if not isinstance(value, _Pairs):
        raise _malformed(f"the body must be a JSON object, not {_kind(value)}")
    errors = [error for error, _ in zip(_faults(value, ""), range(ERRORS_MAX), strict=False)]
    if errors:
        raise BodyInvalid(errors)


class _Pairs(list[tuple[str, Any]]):
    """An object as it was written, with its repeated keys."""


class _BadNumber(Struct, frozen=True):
    shown: str


def _text(body: bytes) -> str:
    if not body.strip():
        raise _malformed("the body is empty; it must be a JSON object")
    if body.startswith(BOM):
        raise _malformed("the body starts with a byte order mark; send plain UTF-8")
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError as refusal:
        raise _malformed(f"the body is not UTF-8: byte {refusal.start} is invalid") from None


def _is_too_deep(body: bytes) -> bool:
    """Whether brackets nest too deep, outside of strings."""
    depth = 0
    for bracket in _STRING.sub(b"", body).translate(None, _NO_BRACKETS):
        depth += 1 if bracket in _OPENING else -1
        if depth > DEPTH_MAX:
            return True
    return False


def _constant(word: str) -> _BadNumber:
    return _BadNumber(word)


def _int(digits: str) -> int | _BadNumber:
    if len(digits) > INT_DIGITS_MAX + 1 or math.isinf(float(digits)):
        return _BadNumber(digits)
    return int(digits)


def _faults(value: Any, pointer: str) -> Iterator[FieldError]:
    if isinstance(value, _Pairs):
        seen: set[str] = set()
        for key, held in value:
            if key in seen:
                yield FieldError(f"{pointer}/{_escaped(key)}", "the key is there twice")
            seen.add(key)
            yield from _string_faults(key, pointer, "a key")
            yield from _faults(held, f"{pointer}/{_escaped(key)}")
    elif isinstance(value, list):
        for index, held in enumerate(value):
            yield from _faults(held, f"{pointer}/{index}")
    elif isinstance(value, str):
        yield from _string_faults(value, pointer, "the text")
    elif isinstance(value, _BadNumber) or (isinstance(value, float) and math.isinf(value)):
        yield FieldError(pointer, "the number is not finite or over the range of a double")


def _string_faults(text: str, pointer: str, what: str) -> Iterator[FieldError]:
    if "\0" in text:
        yield FieldError(pointer, f"{what} holds a NUL character")
    if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
        yield FieldError(pointer, f"{what} holds half of a surrogate pair")


def _escaped(key: str) -> str:
    """A key as part of a pointer; what cannot be sent is shown as `?`."""
    plain = key.encode("utf-8", "replace").decode()
    return plain.replace("\0", "?").replace("~", "~0").replace("/", "~1")


def _kind(value: Any) -> str:
    words = {list: "an array", str: "a string", bool: "a boolean", type(None): "null"}
    return words.get(type(value), "a number")


def _malformed(message: str) -> BodyInvalid:
    return BodyInvalid([FieldError("", message)])


def _sentence(error: FieldError) -> str:
    return f"{error.pointer}: {error.message}" if error.pointer else error.message


def explained(shape: Any, value: Any, refusal: str, *, strict: bool = True) -> list[FieldError]:
    """Every field of `value` that breaks `shape`; `refusal` is what msgspec said of the first."""
    errors = list(_field_errors(shape, value, "", strict))[:ERRORS_MAX]
    if errors:
        return errors
    return [_field_error(refusal, "", value)]


def _field_errors(shape: Any, value: Any, pointer: str, strict: bool) -> Iterator[FieldError]:
    if not (isinstance(shape, type) and issubclass(shape, Struct) and isinstance(value, dict)):
        yield from _value_errors(shape, value, pointer, strict)
        return
    found = False
    for field in msgspec.structs.fields(shape):
        at = f"{pointer}/{_escaped(field.encode_name)}"
        if field.encode_name not in value:
            if field.required:
                found = True
                yield FieldError(at, f"{field.encode_name} is required and missing")
            continue
        for error in _field_errors(field.type, value[field.encode_name], at, strict):
            found = True
            yield error
    if not found:
        yield from _value_errors(shape, value, pointer, strict)


def _value_errors(shape: Any, value: Any, pointer: str, strict: bool) -> Iterator[FieldError]:
    try:
        msgspec.json.decode(_encode(value), type=shape, strict=strict)
    except msgspec.ValidationError as refusal:
        yield _field_error(str(refusal), pointer, value, shape)


def _field_error(refusal: str, pointer: str, value: Any, shape: Any = None) -> FieldError:
    parts, rule = located(refusal)
    if get_origin(shape) is Literal:
        rule = f"must be one of {', '.join(filter(None, map(str, get_args(shape))))}"
    at = pointer + "".join("/" + _escaped(str(part)) for part in parts)
    name = at.rpartition("/")[2] or "the body"
    shown = _shown(value, parts)
    return FieldError(at, f"{name}{f' is {shown}' if shown else ''}: {rule}")


def _shown(value: Any, parts: Sequence[str | int]) -> str:
    try:
        for part in parts:
            value = value[part]
    except (LookupError, TypeError):
        return ""
    if isinstance(value, dict | list) and len(value) > 0:
        return "an object" if isinstance(value, dict) else f"an array of {len(value)}"
    text = _encode(value).decode()
    return text if len(text) <= SHOWN_CHARS_MAX else text[:SHOWN_CHARS_MAX] + "…"
