"""`am`, `pm` and what belongs to them: starting, stopping and listing apps."""

from __future__ import annotations

import base64
import zlib
from dataclasses import dataclass

from procession.simulator.app import ACTIVITY, PACKAGE
from procession.simulator.commands.command import Call, Command, Output, refused, said

TAKES_VALUE = ("-a", "-d", "-n", "-p", "-t", "-c", "-f", "--es", "--user")
SET_TEXT = f"{PACKAGE}.SET_TEXT"
ACTIVITIES = (ACTIVITY, f"{PACKAGE}/{PACKAGE}.MainActivity")


@dataclass
class Intent:
    """What `am start` was asked for."""

    action: str = ""
    data: str | None = None
    component: str = ""
    package: str = ""
    waits: bool = False

    def __str__(self) -> str:
        parts = [f"act={self.action}"] if self.action else []
        parts += [f"dat={self.data}"] if self.data else []
        parts += [f"pkg={self.package}"] if self.package else []
        parts += [f"cmp={self.component}"] if self.component else []
        return f"Intent {{ {' '.join(parts)} }}"


def _intent(args: list[str]) -> Intent:
    intent, left = Intent(), list(args)
    while left:
        word = left.pop(0)
        if word == "-W":
            intent.waits = True
        elif word in TAKES_VALUE and left:
            value = left.pop(0)
            names = {"-a": "action", "-d": "data", "-n": "component", "-p": "package"}
            if word in names:
                setattr(intent, names[word], value)
        elif not word.startswith("-"):
            setattr(intent, "component" if "/" in word else "package", word)
    return intent


def am(call: Call) -> Output:
    verb, args = "".join(call.args[:1]), call.args[1:]
    if verb in ("start", "start-activity"):
        return _start(call, _intent(args))
    if verb in ("force-stop", "kill", "stop-app") and args:
        if args[-1] == PACKAGE and verb != "kill":
            call.phone.app.stop()
        return Output(0)
    if verb == "broadcast":
        return _broadcast(call, args)
    return refused(f"Unknown command: {verb}", 255)


def _broadcast(call: Call, args: list[str]) -> Output:
    """The demo app listens for text to put into its focused field, for what no key types."""
    if args[:4] != ["-a", SET_TEXT, "--es", "b64"] or len(args) != 5:
        return said("Broadcast completed: result=0")
    try:
        text = base64.b64decode(args[4], validate=True).decode()
    except ValueError:
        return said('Broadcast completed: result=0, data="no UTF-8 text in base64"')
    call.phone.app.set_text(text)
    return said("Broadcast completed: result=-1")


def _start(call: Call, intent: Intent) -> Output:
    starting = f"Starting: {intent}\n"
    package = intent.package or intent.component.partition("/")[0]
    known = package in ("", PACKAGE) and intent.component in ("", *ACTIVITIES)
    if not known or not (package or intent.data) or not call.phone.app.open(intent.data):
        error = f"Error: Activity not started, unable to resolve {intent}\n"
        return Output(1, starting.encode(), error.encode())
    if intent.waits:
        starting += (
            f"Status: ok\nLaunchState: COLD\nActivity: {ACTIVITY}\nTotalTime: 1\nWaitTime: 1\n"
            "Complete\n"
        )
    return Output(0, starting.encode())


def pm(call: Call) -> Output:
    verb, args = "".join(call.args[:1]), call.args[1:]
    package = args[-1] if args else ""
    if verb == "list" and args[:1] == ["packages"]:
        return _list(call, args[1:])
    if verb == "path":
        installed = package in call.phone.packages
        return said(f"package:/data/app/{package}/base.apk") if installed else Output(1)
    if verb == "clear":
        return _clear(call, package, "--cache-only" in args)
    if verb == "trim-caches" and args:
        return Output(0)
    return refused(f"Unknown command: {verb}", 255)


def _list(call: Call, args: list[str]) -> Output:
    only_added, with_path = "-3" in args, "-f" in args
    filters = [arg for arg in args if not arg.startswith("-")]
    names = [PACKAGE] if only_added else sorted(call.phone.packages)
    shown = [name for name in names if all(f in name for f in filters)]
    lines = [
        f"package:/data/app/{name}/base.apk={name}\n" if with_path else f"package:{name}\n"
        for name in shown
    ]
    return Output(0, "".join(lines).encode())


def _clear(call: Call, package: str, cache_only: bool) -> Output:
    if package not in call.phone.packages:
        return Output(1, b"Failed\n")
    if package == PACKAGE and not cache_only:
        call.phone.app.clear()
    return said("Success")


def cmd(call: Call) -> Output:
    known = {"package": pm, "activity": am}.get("".join(call.args[:1]))
    if known is None:
        return refused(f"cmd: Can't find service: {' '.join(call.args[:1])}", 20)
    return known(call._replace(argv=call.args))


def pidof(call: Call) -> Output:
    if call.args == [PACKAGE] and call.phone.app.running:
        return said(str(2_000 + zlib.crc32(call.phone.serial.encode()) % 20_000))
    return Output(1)


COMMANDS: dict[str, Command] = {"am": am, "cmd": cmd, "pidof": pidof, "pm": pm}
