"""Commands that show the screen."""

from __future__ import annotations

from procession.simulator.commands.command import Call, Command, Output, refused, said
from procession.simulator.files import FILE_MODE
from procession.simulator.layout import HEIGHT_PX, WIDTH_PX
from procession.simulator.screen import hierarchy, picture

DUMP_PATH = "/sdcard/window_dump.xml"


def screencap(call: Call) -> Output:
    image = picture(call.phone.app)
    paths = [arg for arg in call.args if not arg.startswith("-")]
    if not paths:
        return Output(0, image)
    call.phone.files.write(paths[0], image, FILE_MODE, int(call.phone.wall()))
    return Output(0)


def uiautomator(call: Call) -> Output:
    if call.args[:1] != ["dump"]:
        return refused("Usage: uiautomator <subcommand> [options]")
    path = next((arg for arg in call.args[1:] if not arg.startswith("-")), DUMP_PATH)
    xml = hierarchy(call.phone.app)
    # The misspelling is what real phones print, and what callers look for.
    done = f"UI hierchary dumped to: {path}"
    if path == "/dev/tty":
        return said(xml + done)
    call.phone.files.write(path, xml.encode(), FILE_MODE, int(call.phone.wall()))
    return said(done)


def wm(call: Call) -> Output:
    answers = {
        "size": f"Physical size: {WIDTH_PX}x{HEIGHT_PX}",
        "density": f"Physical density: {call.phone.property('ro.sf.lcd_density')}",
    }
    answer = answers.get(call.args[0]) if len(call.args) == 1 else None
    return said(answer) if answer else refused("wm: only 'size' and 'density' are known here")


COMMANDS: dict[str, Command] = {"screencap": screencap, "uiautomator": uiautomator, "wm": wm}
