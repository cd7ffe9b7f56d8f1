"""One tool call: may it be made, is it said rightly, and what came of it."""

from __future__ import annotations

import traceback
from collections.abc import Mapping
from typing import Any

import msgspec
import structlog
from msgspec import Struct
from msgspec.json import encode

from procession.caller import Caller
from procession.core.errors import Forbidden, Invalid, Refused
from procession.faces.access import EITHER
from procession.faces.mcp.catalogue import TOOLS
from procession.faces.mcp.tools import Call, Tool
from procession.faces.strict import explained
from procession.forms.errors import FormInvalid

log = structlog.get_logger(__name__)


class ToolUnknown(Refused):
    """There is no tool of this name."""

    code = "tool_unknown"


class Outcome(Struct, frozen=True):
    """What a call is answered: JSON, or a sentence that says why there is none."""

    text: str
    is_error: bool = True


def visible(caller: Caller, read_only: bool) -> list[Tool]:
    """The tools that this caller can use."""
    return [tool for tool in TOOLS.values() if _obstacle(tool, caller, read_only) is None]


async def outcome_of(
    call: Call, name: str, arguments: Mapping[str, Any], read_only: bool
) -> Outcome:
    """Make a call. Raises ToolUnknown; every other refusal is an outcome a model can read."""
    tool = TOOLS.get(name)
    if tool is None:
        raise ToolUnknown(f"there is no tool {name[:100]!r}")
    obstacle = _obstacle(tool, call.caller, read_only)
    if obstacle is not None:
        return Outcome(obstacle)
    try:
        given = _decoded(tool, arguments)
        return Outcome(encode(await tool.run(call, given)).decode(), is_error=False)
    except (Refused, FormInvalid) as refused:
        return Outcome(_sentence(refused))
    except Exception:
        log.error("tool failed", tool=name, trace=traceback.format_exc())
        return Outcome("The server failed; its log has the reason.")


def _obstacle(tool: Tool, caller: Caller, read_only: bool) -> str | None:
    """Why the caller cannot use a tool at all."""
    if read_only and not tool.read_only:
        return f"Insufficient permissions: {tool.name} changes things, and this is read-only"
    if caller.scopes.isdisjoint(tool.scope.split(EITHER)):
        scopes = tool.scope.replace(EITHER, " or ")
        return f"Insufficient permissions: {tool.name} needs the scope {scopes}"
    return None


def _decoded(tool: Tool, arguments: Mapping[str, Any]) -> Any:
    """Raises Invalid with every fault."""
    try:
        return msgspec.convert(arguments, tool.takes)
    except msgspec.ValidationError as refusal:
        faults = explained(tool.takes, dict(arguments), str(refusal))
        where = "; ".join(f"{fault.pointer or 'arguments'}: {fault.message}" for fault in faults)
        raise ArgumentsInvalid(where) from None


class ArgumentsInvalid(Refused):
    """The arguments break a rule."""

    code = "arguments_invalid"


def _sentence(refused: Exception) -> str:
    match refused:
        case Forbidden():
            return f"Insufficient permissions: {refused}"
        case Invalid() | ArgumentsInvalid() | FormInvalid():
            return f"Validation failed: {refused}"
    return str(refused)
