"""Decodes a capability's inputs and says precisely what is wrong with them."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

import msgspec
from msgspec import Struct

from procession.capabilities.capability import Capability
from procession.capabilities.errors import InputInvalid

VALUE_CHARS_MAX = 60
DECODERS_MAX = 256
SENTENCE = re.compile(r"(?P<rule>.*?)(?: - at `(?P<path>[^`]*)`)?", re.DOTALL)
PATH_PART = re.compile(r"\.([^.\[\]]+)|\[(\d+)\]")
MISSING_FIELD = re.compile(r"Object missing required field `([^`]+)`")
UNKNOWN_FIELD = re.compile(r"Object contains unknown field `([^`]+)`")
MISSING = object()


def decode_inputs(capability: Capability, raw: bytes) -> Any:
    """The capability's `Input` struct out of JSON bytes, a dict where it declares none.

    Raises InputInvalid.
    """
    try:
        return _decoder(capability.Input).decode(raw)
    except msgspec.ValidationError as refusal:
        raise _explained(capability, str(refusal), raw) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as refusal:
        raise InputInvalid("", f"inputs are not JSON: {refusal}") from None


@lru_cache(maxsize=DECODERS_MAX)
def _decoder(shape: type[Struct] | None) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(shape or dict[str, Any])


def input_schema(capability: Capability) -> dict[str, Any]:
    """The JSON Schema of the inputs as one self-contained object."""
    if capability.Input is None:
        return {"type": "object"}
    (root,), parts = msgspec.json.schema_components([capability.Input])
    name = root["$ref"].rpartition("/")[2]
    schema = dict(parts.pop(name))
    return {**schema, "$defs": parts} if parts else schema


def located(refusal: str) -> tuple[list[str | int], str]:
    """Take msgspec's sentence apart: the path to the value, and the rule it breaks."""
    match = SENTENCE.fullmatch(refusal)
    rule, path = (match["rule"], match["path"] or "") if match else (refusal, "")
    parts: list[str | int] = [
        int(index) if index else key for key, index in PATH_PART.findall(path.split("[...]")[0])
    ]
    for wording, plain in (
        (MISSING_FIELD, "is required and missing"),
        (UNKNOWN_FIELD, "is not known"),
    ):
        field = wording.fullmatch(rule)
        if field:
            return [*parts, field[1]], plain
    return parts, rule[:1].lower() + rule[1:]


def named(root: str, parts: list[str | int]) -> str:
    """A path as people write it: `inputs.steps[2].action`."""
    path = root + "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in parts)
    return path.removeprefix(".")


def _explained(capability: Capability, refusal: str, raw: bytes) -> InputInvalid:
    parts, rule = located(refusal)
    value = _value_at(raw, parts)
    shown = "" if value is MISSING else f" is {_short(value)}"
    allowed = _words_allowed(input_schema(capability), parts) if "nvalid" in rule else []
    must = f"must be one of {', '.join(allowed)}" if allowed else rule
    return InputInvalid(_pointer(parts), f"{named('inputs', parts)}{shown}: {must}")


def _words_allowed(schema: dict[str, Any], parts: list[str | int]) -> list[str]:
    """The words a closed choice at this path allows; empty where the schema names none."""
    node: dict[str, Any] = schema
    for part in parts:
        node = schema.get("$defs", {}).get(node.get("$ref", "").rpartition("/")[2], node)
        if node.get("discriminator", {}).get("propertyName") == part:
            return sorted(node["discriminator"]["mapping"])
        node = node.get("items" if isinstance(part, int) else "properties", {})
        node = node if isinstance(part, int) else node.get(part, {})
    return [str(word) for word in node.get("enum", [])]


def _pointer(parts: list[str | int]) -> str:
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in parts)


def _value_at(raw: bytes, parts: list[str | int]) -> object:
    """The value under a path; MISSING where a decoder without types cannot reach it."""
    try:
        value: Any = msgspec.json.decode(raw)
        for part in parts:
            value = value[part]
    except (msgspec.MsgspecError, UnicodeDecodeError, LookupError, TypeError, RecursionError):
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
