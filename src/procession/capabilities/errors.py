"""Everything a capability request can be refused for, one class each; the docstring is said."""

from __future__ import annotations

from typing import ClassVar


class CapabilityRefusal(Exception):
    """The capability request is refused."""

    code: ClassVar[str] = "capability_refused"


class CapabilityUnknown(CapabilityRefusal):
    """No capability of this name is registered here."""

    code = "capability_unknown"

    def __init__(self, name: str) -> None:
        super().__init__(f"no capability named {name[:200]!r} is registered here")
        self.name = name


class CapabilityBlocked(CapabilityRefusal):
    """The capability refuses this mode; `code` is the stable word that says why."""

    code: str  # type: ignore[misc]

    def __init__(self, *, code: str, name: str, mode: str) -> None:
        super().__init__(f"{name} cannot be asked for in mode {mode!r}: {code}")
        self.code = code
        self.name = name
        self.mode = mode


class RoutingUnsupported(CapabilityRefusal):
    """The capability cannot be routed this way."""

    code = "routing_unsupported"

    def __init__(self, *, name: str, routing: str) -> None:
        super().__init__(f"{name} does not support the routing {routing!r}")
        self.name = name
        self.routing = routing


class InputInvalid(CapabilityRefusal):
    """The inputs break a rule; `pointer` (RFC 6901, relative to the inputs) says where."""

    code = "input_invalid"

    def __init__(self, pointer: str, message: str) -> None:
        super().__init__(message)
        self.pointer = pointer
        self.message = message
