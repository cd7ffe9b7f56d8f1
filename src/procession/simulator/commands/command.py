"""What a shell command is: a function from a call to an output."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import NamedTuple

from procession.simulator.phone import Phone


class Call(NamedTuple):
    """One command as it was called: on which phone, its words (the name first), its input."""

    phone: Phone
    argv: list[str]
    stdin: bytes

    @property
    def args(self) -> list[str]:
        return self.argv[1:]


class Output(NamedTuple):
    """What a command answered, and what happens once that answer was received."""

    code: int
    stdout: bytes = b""
    stderr: bytes = b""
    afterwards: Callable[[], None] | None = None


# A command that needs time answers with an awaitable; what was said before is sent first.
Command = Callable[[Call], Output | Awaitable[Output]]


def said(text: str) -> Output:
    """Success with one line, or several."""
    return Output(0, text.encode() + b"\n")


def refused(text: str, code: int = 1) -> Output:
    """Failure with a line on stderr."""
    return Output(code, b"", text.encode() + b"\n")
