"""Prints the part of requirements.lock that one thing needs, with its hashes.

`python runtime_lock.py procession` prints what the program needs to run, without the extras;
`python runtime_lock.py hatchling` what that package needs. Reads pyproject.toml and
requirements.lock in the working folder; standard library only.
"""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Iterable
from pathlib import Path

_ENTRY = re.compile(r"^(?P<name>[A-Za-z0-9._-]+)==")
_PARENT = re.compile(r"^ +# (?:via|  ) ?(?P<name>[A-Za-z0-9._-]+)")


class NotLocked(Exception):
    """A dependency is missing in the lock."""


def entries(lock: str) -> dict[str, str]:
    """The text of every package, by its name."""
    found: dict[str, str] = {}
    name = ""
    for line in lock.splitlines(keepends=True):
        if entry := _ENTRY.match(line):
            name = plain(entry["name"])
        if name:
            found[name] = found.get(name, "") + line
    return found


def closure(found: dict[str, str], roots: Iterable[str]) -> list[str]:
    """Names of the roots and of all that is there because of them. Raises NotLocked."""
    wanted = {plain(root) for root in roots}
    if missing := wanted - found.keys():
        raise NotLocked(", ".join(sorted(missing)))
    parents = {name: set(_parents(text)) for name, text in found.items()}
    while more := {name for name in found.keys() - wanted if parents[name] & wanted}:
        wanted |= more
    return sorted(wanted)


def plain(name: str) -> str:
    """A package's name as every spelling of it is compared."""
    return re.sub(r"[-_.]+", "-", name).lower()


def requirement_names(project: str) -> list[str]:
    """What pyproject.toml's text asks for to run, extras aside."""
    asked = tomllib.loads(project)["project"]["dependencies"]
    return [re.split(r"[^A-Za-z0-9._-]", one, maxsplit=1)[0] for one in asked]


def _parents(text: str) -> Iterable[str]:
    return (plain(one["name"]) for line in text.splitlines() if (one := _PARENT.match(line)))


def main() -> None:
    wanted = sys.argv[1]
    found = entries(Path("requirements.lock").read_text(encoding="utf-8"))
    roots = [wanted]
    if wanted == "procession":
        roots = requirement_names(Path("pyproject.toml").read_text(encoding="utf-8"))
    sys.stdout.write("".join(found[name] for name in closure(found, roots)))


if __name__ == "__main__":
    main()
