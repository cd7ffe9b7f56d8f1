"""What is on a phone's screen, as uiautomator and screencap show it. Pure."""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterable
from functools import lru_cache
from xml.sax.saxutils import quoteattr

from procession.simulator.app import PACKAGE, DemoApp
from procession.simulator.layout import HEIGHT_PX, WIDTH_PX, Element

LAUNCHER = "com.android.launcher3"
HOME_ICON = Element("icon", "TextView", (20, 40, 90, 120), "Procession Demo")
NOT_IN_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
TINTS = {"EditText": 1, "Button": 2, "TextView": 3, "ListView": 4}
PALETTES = {"feed": 0x20, "search": 0x50, "profile": 0x80, "compose": 0xB0, "launcher": 0xE0}


def hierarchy(app: DemoApp) -> str:
    """The screen as `uiautomator dump` writes it."""
    shown, package = (app.elements(), PACKAGE) if app.foreground else ([HOME_ICON], LAUNCHER)
    frame = Element("", "FrameLayout", (0, 0, WIDTH_PX, HEIGHT_PX))
    nodes = [_node(e, i, package, e.name == app.view.focus) + " />" for i, e in enumerate(shown)]
    return (
        "<?xml version='1.0' encoding='UTF-8' standalone='yes' ?>"
        '<hierarchy rotation="0">'
        + _node(frame, 0, package, False)
        + ">"
        + "".join(nodes)
        + "</node></hierarchy>"
    )


def _node(element: Element, index: int, package: str, focused: bool) -> str:
    kind = element.kind
    left, top, right, bottom = element.box
    attributes = {
        "index": str(index),
        "text": element.text,
        "resource-id": f"{package}:id/{element.name}" if element.name else "",
        "class": f"android.widget.{kind}",
        "package": package,
        "content-desc": "",
        "checkable": "false",
        "checked": "false",
        "clickable": _word(element.clickable),
        "enabled": _word(element.enabled),
        "focusable": _word(kind in ("EditText", "Button")),
        "focused": _word(focused),
        "scrollable": _word(kind == "ListView"),
        "long-clickable": _word(kind == "EditText"),
        "password": "false",
        "selected": _word(element.selected),
        "bounds": f"[{left},{top}][{right},{bottom}]",
    }
    return "<node " + " ".join(f"{key}={_quoted(value)}" for key, value in attributes.items())


def _quoted(text: str) -> str:
    # uiautomator, too, shows a full stop for what XML cannot hold.
    whole = quoteattr(NOT_IN_XML.sub(".", text), {'"': "&quot;"})
    return whole if whole.startswith('"') else f'"{whole[1:-1]}"'


def _word(value: bool) -> str:
    return "true" if value else "false"


def picture(app: DemoApp) -> bytes:
    """The screen as a PNG: a background by screen, a box for every element."""
    if not app.foreground:
        return _png("launcher", ((HOME_ICON.kind, *HOME_ICON.box),))
    boxes = tuple((e.kind, *e.box) for e in app.elements())
    return _png(app.view.screen, (*boxes, ("TextView", 0, 0, 1 + app.view.position % WIDTH_PX, 4)))


@lru_cache(maxsize=128)
def _png(screen: str, boxes: Iterable[tuple[str, int, int, int, int]]) -> bytes:
    rows = [bytearray(1 + WIDTH_PX) for _ in range(HEIGHT_PX)]
    for kind, left, top, right, bottom in boxes:
        line = bytes([TINTS[kind]]) * (right - left)
        for y in range(top, bottom):
            rows[y][1 + left : 1 + right] = line
    shade = PALETTES[screen]
    palette = bytes([shade, shade, 90, 255, 255, 255, 30, 120, 220, 200, 200, 190, 235, 235, 240])
    header = struct.pack(">IIBBBBB", WIDTH_PX, HEIGHT_PX, 8, 3, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + _chunk(b"IHDR", header)
        + _chunk(b"PLTE", palette)
        + _chunk(b"IDAT", zlib.compress(b"".join(rows), 1))
        + _chunk(b"IEND", b"")
    )


def _chunk(kind: bytes, data: bytes) -> bytes:
    body = kind + data
    return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))
