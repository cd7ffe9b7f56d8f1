"""Finds capabilities: the built-in ones and those other packages offer by entry point."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from msgspec import Struct

from procession.capabilities.capability import MODES, ROUTINGS, Capability
from procession.capabilities.errors import (
    CapabilityBlocked,
    CapabilityUnknown,
    RoutingUnsupported,
)
from procession.capabilities.inputs import decode_inputs, input_schema

__all__ = [
    "all_capabilities",
    "broken",
    "check",
    "decode_inputs",
    "find",
    "input_schema",
    "names",
    "time_limit_ms",
]

GROUP = "procession.capabilities"

log = logging.getLogger(__name__)


class Catalog(Struct, frozen=True):
    """What is registered here, and the entry points that could not be, with the reason."""

    capabilities: dict[str, Capability]
    broken: dict[str, str]


def find(name: str) -> Capability:
    """Raises CapabilityUnknown."""
    try:
        return _catalog().capabilities[name]
    except KeyError:
        raise CapabilityUnknown(name) from None


def names() -> list[str]:
    return sorted(_catalog().capabilities)


def all_capabilities() -> list[Capability]:
    return [_catalog().capabilities[name] for name in names()]


def broken() -> dict[str, str]:
    """Entry points that could not be loaded: `<package>:<name>` to the reason."""
    return dict(_catalog().broken)


def check(capability: Capability, mode: str, routing: str, inputs_raw: bytes) -> None:
    """Whether this may be asked for.

    Raises CapabilityBlocked, RoutingUnsupported or InputInvalid, in this order.
    """
    for blocked, code in capability.blocked.items():
        if mode == blocked:
            raise CapabilityBlocked(code=code, name=capability.name, mode=mode)
    if mode not in capability.modes:
        code = f"capability_mode_unsupported:{capability.name}"
        raise CapabilityBlocked(code=code, name=capability.name, mode=mode)
    if routing not in capability.routings:
        raise RoutingUnsupported(name=capability.name, routing=routing)
    decode_inputs(capability, inputs_raw)


def time_limit_ms(capability: Capability, inputs_raw: bytes) -> int:
    """How long a run with these inputs may take, never more than the capability's own limit.

    Raises InputInvalid.
    """
    limit_for = getattr(capability, "time_limit_for", None)
    if limit_for is None:
        return capability.time_limit_ms
    return min(capability.time_limit_ms, int(limit_for(decode_inputs(capability, inputs_raw))))


def collect(offered: Iterable[EntryPoint]) -> Catalog:
    """The built-in capabilities and the offered ones; one that is broken harms no other."""
    catalog = Catalog({one.name: one for one in _built_in()}, {})
    for entry in offered:
        package = entry.dist.name if entry.dist else "unknown"
        try:
            capability = _loaded(entry, catalog)
        except Exception as reason:
            catalog.broken[f"{package}:{entry.name}"] = f"{type(reason).__name__}: {reason}"
            log.warning("capability %s of package %s: %s", entry.name, package, reason)
        else:
            catalog.capabilities[capability.name] = capability
    return catalog


@cache
def _catalog() -> Catalog:
    return collect(entry_points(group=GROUP))


def _loaded(entry: EntryPoint, catalog: Catalog) -> Capability:
    """Raises whatever the other package raises, TypeError when it is no capability."""
    capability: Any = entry.load()()
    if capability.name != entry.name:
        raise TypeError(f"the entry point is called {entry.name}, the class {capability.name}")
    if capability.name in catalog.capabilities:
        raise TypeError(f"the name {capability.name} is taken")
    if not (capability.modes <= MODES and capability.routings <= ROUTINGS):
        raise TypeError("modes or routings hold a word that is not known")
    for needed in Capability.__annotations__:
        getattr(capability, needed)
    if not callable(capability.run):
        raise TypeError("run is not callable")
    input_schema(capability)
    found: Capability = capability
    return found


def _built_in() -> list[Capability]:
    from procession.capabilities.echo import Echo
    from procession.capabilities.fail import Fail
    from procession.capabilities.fyp_warmup import FypWarmup
    from procession.capabilities.keyword_warmup import KeywordWarmup
    from procession.capabilities.maintenance import Maintenance
    from procession.capabilities.post_video import PostVideo
    from procession.capabilities.sleep import Sleep

    return [Echo(), Fail(), FypWarmup(), KeywordWarmup(), Maintenance(), PostVideo(), Sleep()]
