"""Decodes a capability's inputs and says precisely what is wrong with them."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from procession.capabilities.capability import Capability
from procession.capabilities.errors import InputInvalid

VALUE_CHARS_MAX = 60
PATH = re.compile(r"^(?P<rule>.*?)(?: - at `(?P<path>[^`]*)`)?$", re.DOTALL)
PATH_PART = re.compile(r"\.([^.\[\]]+)|\[(\d+)\]")
MISSING_FIELD = re.compile(r"^Object missing required field `([^`]+)`$")
MISSING = object()


def decode_inputs(capability: Capability, raw: bytes) -> Any:
    """The capability's `Input` struct out of JSON bytes, a dict where it declares none.

    Raises InputInvalid.
    """
    try:
        return msgspec.json.decode(raw, type=capability.Input or dict[str, Any])
    except msgspec.ValidationError as refusal:
        raise _explained(str(refusal), raw) from None
    except msgspec.DecodeError as refusal:
        raise InputInvalid("", f"inputs are not JSON: {refusal}") from None


def input_schema(capability: Capability) -> dict[str, Any]:
    """The JSON Schema of the inputs as one self-contained object."""
    if capability.Input is None:
        return {"type": "object"}
    (root,), parts = msgspec.json.schema_components([capability.Input])
    name = root["$ref"].rpartition("/")[2]
    schema = dict(parts.pop(name))
    return {**schema, "$defs": parts} if parts else schema


def _explained(refusal: str, raw: bytes) -> InputInvalid:
    """The library's sentence, with the value it is about and a JSON pointer."""
    match = PATH.match(refusal)
    rule, path = (match["rule"], match["path"] or "") if match else (refusal, "")
    parts: list[str | int] = [
        int(index) if index else key for key, index in PATH_PART.findall(path.split("[...]")[0])
    ]
    missing = MISSING_FIELD.match(rule)
    if missing:
        parts.append(missing[1])
        return InputInvalid(_pointer(parts), f"{_named(parts)} is required and missing")
    value = _value_at(raw, parts)
    shown = "" if value is MISSING else f" is {_short(value)}"
    return InputInvalid(_pointer(parts), f"{_named(parts)}{shown}: {rule[:1].lower()}{rule[1:]}")


def _pointer(parts: list[str | int]) -> str:
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in parts)


def _named(parts: list[str | int]) -> str:
    return "inputs" + "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in parts)


def _value_at(raw: bytes, parts: list[str | int]) -> object:
    """The value under a path; MISSING where a decoder without types cannot reach it."""
    try:
        value: Any = msgspec.json.decode(raw)
        for part in parts:
            value = value[part]
    except (msgspec.MsgspecError, LookupError, TypeError):
        return MISSING
    return value


def _short(value: object) -> str:
    text = msgspec.json.encode(value).decode()
    if len(text) <= VALUE_CHARS_MAX:
        return text
    if isinstance(value, str):
        return f"{text[:VALUE_CHARS_MAX]}… ({len(value)} characters)"
    length = f" ({len(value)} elements)" if isinstance(value, list | dict) else ""
    return f"{text[:VALUE_CHARS_MAX]}…{length}"
