"""Commands that only say something, choose lines, or wait."""

from __future__ import annotations

import asyncio
import re

from procession.simulator.commands.command import Call, Command, Output, refused, said
from procession.simulator.commands.storage import options_and_paths

SLEEP_SECONDS_MAX = 86_400.0


def echo(call: Call) -> Output:
    if call.args[:1] == ["-n"]:
        return Output(0, " ".join(call.args[1:]).encode())
    return said(" ".join(call.args))


def true(_call: Call) -> Output:
    return Output(0)


def false(_call: Call) -> Output:
    return Output(1)


async def sleep(call: Call) -> Output:
    try:
        seconds = float(call.args[0].removesuffix("s"))
    except (IndexError, ValueError):
        seconds = -1.0
    if not 0 <= seconds <= SLEEP_SECONDS_MAX:
        return refused(f"sleep: bad time '{' '.join(call.args)}'")
    await asyncio.sleep(seconds)
    return Output(0)


def grep(call: Call) -> Output:
    options, words = options_and_paths(call.args)
    if not words:
        return refused("grep: Needs 1 argument", 2)
    try:
        pattern = re.compile(words[0], re.IGNORECASE if "i" in options else 0)
    except re.error:
        return refused(f"grep: bad regex '{words[0]}'", 2)
    text = b"".join(call.phone.files.read(path) for path in words[1:]) or call.stdin
    lines = text.decode(errors="replace").splitlines()
    found = [line for line in lines if bool(pattern.search(line)) != ("v" in options)]
    if "c" in options:
        return Output(0 if found else 1, f"{len(found)}\n".encode())
    quiet = "q" in options
    said_lines = "" if quiet else "".join(f"{line}\n" for line in found)
    return Output(0 if found else 1, said_lines.encode())


def head(call: Call) -> Output:
    args = [a.lstrip("-").removeprefix("n") for a in call.args]
    count = next((int(a) for a in args if a.isdecimal()), 10)
    return Output(0, b"".join(call.stdin.splitlines(keepends=True)[:count]))


def date(call: Call) -> Output:
    if call.args == ["+%s"]:
        return said(str(int(call.phone.wall())))
    return refused("date: only '+%s' is known here")


def whoami(_call: Call) -> Output:
    return said("shell")


def identity(_call: Call) -> Output:
    return said("uid=2000(shell) gid=2000(shell) groups=2000(shell)")


COMMANDS: dict[str, Command] = {
    ":": true,
    "date": date,
    "echo": echo,
    "false": false,
    "grep": grep,
    "head": head,
    "id": identity,
    "sleep": sleep,
    "true": true,
    "whoami": whoami,
}
