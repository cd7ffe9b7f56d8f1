"""What each screen of the demo app shows, and where. Pure."""

from __future__ import annotations

import posixpath
from collections.abc import Callable
from dataclasses import dataclass, field

WIDTH_PX, HEIGHT_PX = 270, 480
RESULTS_SHOWN = 5
CLIPS_SHOWN = 3
POSTED = "Posted"

Box = tuple[int, int, int, int]


@dataclass
class View:
    """What is on the app's screen: typed but not saved, scrolled to, said.

    `position` is the number of the clip or result on top, `opened` that of the result touched.
    """

    screen: str
    account_id: str
    asset: str = ""
    fields: dict[str, str] = field(default_factory=dict)
    focus: str | None = None
    all_selected: bool = False
    status: str = ""
    results_for: str = ""
    position: int = 1
    opened: int | None = None


@dataclass(frozen=True)
class Element:
    """Something on a screen. `box` is left, top, right, bottom in pixels."""

    name: str
    kind: str
    box: Box
    text: str = ""
    enabled: bool = True
    selected: bool = False

    @property
    def clickable(self) -> bool:
        return self.kind in ("EditText", "Button") or self.name == "result_item"

    def holds(self, x: int, y: int) -> bool:
        left, top, right, bottom = self.box
        return left <= x < right and top <= y < bottom


def elements(view: View) -> list[Element]:
    """What a view shows, from top to bottom."""
    return SCREENS[view.screen](view)


def _feed(view: View) -> list[Element]:
    position = Element("feed_position", "TextView", (8, 28, 262, 50), str(view.position))
    numbers = range(view.position, view.position + CLIPS_SHOWN)
    tops = range(55, HEIGHT_PX, 138)
    clips = [
        Element("feed_item", "TextView", (8, top, 262, top + 130), f"Clip {number}")
        for number, top in zip(numbers, tops, strict=False)
    ]
    return [position, *clips]


def _search(view: View) -> list[Element]:
    button = Element("search_button", "Button", (200, 40, 262, 80), "Search")
    bar = [_field(view, "search_field", (8, 40, 192, 80)), button]
    if not view.results_for:
        return bar
    results = [_result(view, i) for i in range(RESULTS_SHOWN)]
    return [*bar, Element("results", "ListView", (0, 100, WIDTH_PX, HEIGHT_PX)), *results]


def _result(view: View, place: int) -> Element:
    number, top = view.position + place, 104 + 70 * place
    text = f"{view.results_for} {number}"
    box = (8, top, 262, top + 66)
    return Element("result_item", "TextView", box, text, selected=number == view.opened)


def _profile(view: View) -> list[Element]:
    return [
        _field(view, "display_name", (8, 40, 262, 80)),
        _field(view, "username", (8, 90, 262, 130)),
        _field(view, "bio", (8, 140, 262, 240)),
        Element("save_button", "Button", (8, 250, 262, 290), "Save"),
        Element("status_text", "TextView", (8, 300, 262, 330), view.status),
    ]


def _compose(view: View) -> list[Element]:
    waits = view.status != POSTED
    return [
        Element("asset_name", "TextView", (8, 40, 262, 70), posixpath.basename(view.asset)),
        _field(view, "caption_field", (8, 80, 262, 180)),
        Element("post_button", "Button", (8, 190, 262, 230), "Post", enabled=waits),
        Element("status_text", "TextView", (8, 240, 262, 270), view.status),
    ]


def _field(view: View, name: str, box: Box) -> Element:
    return Element(name, "EditText", box, view.fields[name])


SCREENS: dict[str, Callable[[View], list[Element]]] = {
    "feed": _feed,
    "search": _search,
    "profile": _profile,
    "compose": _compose,
}
