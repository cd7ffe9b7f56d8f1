"""How a command tells what it found, and how it ends."""

from __future__ import annotations

import sys
from typing import Any

import msgspec

REFUSED = 1
MISUSED = 2


class CommandFailed(Exception):
    """The command could not do what it was asked; the message is one line for people."""

    status = REFUSED


class UsageWrong(CommandFailed):
    """The command was not given what it needs."""

    status = MISUSED


def say(text: str) -> None:
    """One or more lines on standard output, at once."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def say_json(value: Any) -> None:
    """A value as one line of JSON on standard output."""
    say(msgspec.json.encode(value).decode())


def complain(text: str) -> None:
    """One line on standard error."""
    sys.stderr.write("procession: " + " ".join(text.split()) + "\n")
    sys.stderr.flush()
