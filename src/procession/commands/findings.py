"""What `doctor` finds: the shape of it, and how it is shown."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct


class Finding(Struct, frozen=True):
    """One thing that was looked at; `remedy` is set when it is not as it should be."""

    name: str
    state: Literal["ok", "note", "wrong"]
    found: str
    remedy: str = ""


def ok(name: str, found: str) -> Finding:
    return Finding(name, "ok", found)


def note(name: str, found: str, remedy: str) -> Finding:
    """Something that can be as it is, and what to do where it should not."""
    return Finding(name, "note", found, remedy)


def wrong(name: str, found: str, remedy: str) -> Finding:
    return Finding(name, "wrong", found, remedy)


def lines_of(findings: list[Finding]) -> list[str]:
    """A line for each finding, and one more for its remedy."""
    width = max(len(one.name) for one in findings)
    lines = []
    for one in findings:
        mark = one.state.upper() if one.state == "wrong" else one.state
        lines.append(f"{mark:<5}  {one.name:<{width}}  {one.found}")
        if one.remedy:
            lines.append(f"{'':<{width + 9}}→ {one.remedy}")
    return lines
