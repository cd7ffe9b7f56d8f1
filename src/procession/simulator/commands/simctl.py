"""`simctl`: what only a simulated phone has. Its state as JSON, and its faults."""

from __future__ import annotations

import json
from functools import partial

from procession.simulator.commands.command import Call, Command, Output, refused, said
from procession.simulator.faults import Fault, verify

USAGE = "usage: simctl state | fault NAME [SECONDS] [MS] | clear | faults"


def simctl(call: Call) -> Output:
    verb, args = "".join(call.args[:1]), call.args[1:]
    if verb == "state" and not args:
        return said(json.dumps(call.phone.app.state(), ensure_ascii=False))
    if verb == "faults":
        return said(json.dumps(call.phone.faults.on()))
    if verb == "clear":
        call.phone.faults.clear()
        return Output(0)
    if verb != "fault" or not args:
        return refused(USAGE, 2)
    try:
        seconds = float(args[1]) if args[1:] else None
        ms = int(args[2]) if args[2:] else None
        fault = Fault(args[0])
        verify(seconds, ms)
    except ValueError as why:
        return refused(f"simctl: {why}", 2)
    # The fault must not hit the very command that asks for it.
    return Output(0, afterwards=partial(call.phone.faults.set, fault, seconds, ms=ms))


COMMANDS: dict[str, Command] = {"simctl": simctl}
