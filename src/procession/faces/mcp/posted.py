"""What came in a POST, beside what the SDK reads itself."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from procession.caller import Caller
from procession.faces.mcp.tools import FileAddress

POSTED = "procession.posted"


class Message(Struct):
    """A JSON-RPC message; of what type its parts are is for the SDK to judge."""

    method: Any = None
    id: str | int | None = None
    params: Any = None


class Query(Struct):
    """What may stand behind the path."""

    read_only: bool = False


class Posted(Struct, frozen=True, eq=False):
    """For whom a message is, whether it may change things, and how addresses begin."""

    caller: Caller
    read_only: bool
    address: str
    file_address: FileAddress
