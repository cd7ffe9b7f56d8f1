"""Takes the token out of what other processes can read of this one."""

from __future__ import annotations

import os

_FIRST_FIELD_AFTER_NAME = 3


def blot_out(secret: str) -> None:
    """Overwrite the secret in this process's arguments and environment.

    Both stay readable in /proc for as long as the process lives, for its own user at least;
    runs belong to that user.
    """
    for name in [name for name, value in os.environ.items() if secret and secret in value]:
        del os.environ[name]
    with open("/proc/self/stat", encoding="utf-8", errors="replace") as file:
        fields = file.read().rpartition(")")[2].split()
    # Fields 48 to 51 of proc(5): where arguments and environment begin and end.
    bounds = [int(fields[number - _FIRST_FIELD_AFTER_NAME]) for number in (48, 49, 50, 51)]
    with open("/proc/self/mem", "r+b", buffering=0) as memory:
        for begin, end in (bounds[:2], bounds[2:]):
            memory.seek(begin)
            area = memory.read(end - begin)
            blotted = area.replace(secret.encode(), b"x" * len(secret.encode()))
            if secret and blotted != area:
                memory.seek(begin)
                memory.write(blotted)
