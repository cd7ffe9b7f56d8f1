"""What a tool is: its name, its schemas, what it needs, what it changes, and what it does."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from msgspec import Struct

from procession.caller import Caller
from procession.engine import Engine

_REF = "#/$defs/{name}"

Progress = Callable[[float, float, str], Awaitable[None]]
"""Tells whoever waits: so many seconds have passed of so many, and why it still waits."""

FileAddress = Callable[[str], Awaitable[str]]
"""Where the file of a key can be read for a while. Raises FileMissing."""


class Call(Struct, frozen=True, eq=False):
    """One call of a tool: for whom, by which address people reach this server, and how it goes."""

    engine: Engine
    caller: Caller
    address: str
    """Where people open links: scheme, host and port."""
    file_address: FileAddress
    progress: Progress


class Tool(Struct, frozen=True, kw_only=True, eq=False):
    """One tool, with the protocol's hints. `scope` may name several, of which one will do.

    `run` gets the decoded `takes` and returns a `gives`.
    """

    name: str
    title: str
    description: str
    takes: type[Struct]
    gives: type[Struct]
    scope: str
    run: Callable[[Call, Any], Awaitable[Struct]]
    read_only: bool = False
    destructive: bool = False
    idempotent: bool = False
    open_world: bool = False
    """What it does reaches people, or systems of others."""


def schema_of(kind: type[Struct]) -> dict[str, Any]:
    """Self-contained JSON Schema (2020-12) with an object at its root."""
    (root,), components = msgspec.json.schema_components([kind], ref_template=_REF)
    name = root["$ref"].rpartition("/")[2]
    schema: dict[str, Any] = _plain(components.pop(name))
    if components:
        schema["$defs"] = {key: _plain(value) for key, value in components.items()}
    return schema


def _plain(schema: dict[str, Any]) -> dict[str, Any]:
    """Without what no model needs to know: that null stands for nothing, and our class's name."""
    properties = {
        name: _without_null(value) for name, value in schema.get("properties", {}).items()
    }
    return {key: held for key, held in schema.items() if key != "title"} | {
        "properties": properties
    }


def _without_null(value: dict[str, Any]) -> dict[str, Any]:
    kinds = [kind for kind in value.get("anyOf", ()) if kind != {"type": "null"}]
    if len(kinds) != 1:
        return value
    rest = {name: held for name, held in value.items() if name not in ("anyOf", "default")}
    kind: dict[str, Any] = kinds[0]
    return rest | kind
