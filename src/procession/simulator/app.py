"""The demo app of a simulated phone: its accounts, its screens, and what a touch does to them."""

from __future__ import annotations

import posixpath
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any, TypeVar
from urllib.parse import parse_qs, urlsplit

PACKAGE = "app.procession.demo"
ACTIVITY = f"{PACKAGE}/.MainActivity"
SCHEME = "procession-demo"
WIDTH_PX, HEIGHT_PX = 270, 480
ACCOUNTS_MAX = 1_000
KEPT_MAX = 10_000
TEXT_CHARS_MAX = 5_000
RESULTS_SHOWN = 5
CLIPS_SHOWN = 3
SWIPE_PX_MIN = 40

Kept = TypeVar("Kept")


@dataclass
class Account:
    """What the app remembers of one account; `simctl state` prints exactly this."""

    searches: list[str] = field(default_factory=list)
    clips_seen: int = 0
    profile: dict[str, str] = field(
        default_factory=lambda: {"display_name": "", "username": "", "bio": ""}
    )
    posts: list[dict[str, str]] = field(default_factory=list)
    counters: dict[str, int] = field(default_factory=dict)

    def count(self, what: str) -> None:
        """One more of these."""
        self.counters[what] = self.counters.get(what, 0) + 1


@dataclass(frozen=True)
class Element:
    """Something on a screen. `box` is left, top, right, bottom in pixels."""

    name: str
    kind: str
    box: tuple[int, int, int, int]
    text: str = ""
    enabled: bool = True
    selected: bool = False

    @property
    def clickable(self) -> bool:
        return self.kind in ("EditText", "Button") or self.name == "result_item"

    def holds(self, x: int, y: int) -> bool:
        left, top, right, bottom = self.box
        return left <= x < right and top <= y < bottom


class DemoApp:
    """The app: one screen at a time, one account at a time.

    `asset_sha256(path)` gives the digest of a file on the phone, or None when it is missing.
    """

    accounts: dict[str, Account]
    screen: str
    account_id: str
    focus: str | None
    selected: bool
    status: str
    opened: int | None
    position: int
    fields: dict[str, str]

    def __init__(self, asset_sha256: Callable[[str], str | None]) -> None:
        self._asset_sha256 = asset_sha256
        self.clear()

    def clear(self) -> None:
        """Forget everything, as `pm clear` does."""
        self.accounts = {}
        self.stop()

    def stop(self) -> None:
        """Close the app; what the accounts did stays."""
        self.foreground = False
        self.running = False
        self._show("feed", "default")

    def leave(self) -> None:
        """Go to the background."""
        self.foreground = False
        self.focus = None

    @property
    def account(self) -> Account:
        return self.accounts.setdefault(self.account_id, Account())

    def state(self) -> dict[str, Any]:
        """The whole model as plain values."""
        accounts = {name: asdict(account) for name, account in self.accounts.items()}
        return {
            "accounts": accounts,
            "account": self.account_id,
            "screen": self.screen if self.foreground else None,
            "running": self.running,
        }

    def open(self, link: str | None) -> bool:
        """Come to the front, at a deep link when given; False when the link leads nowhere."""
        if link is None:
            if not self.running:
                self._enter("feed", "default")
            self.foreground = self.running = True
            return True
        parts = urlsplit(link)
        screen = {"feed": "feed", "search": "search", "profile/edit": "profile",
                  "compose": "compose"}.get((parts.netloc + parts.path).strip("/"))  # fmt: skip
        query = {key: values[-1] for key, values in parse_qs(parts.query).items()}
        account_id = query.get("account", "default")
        if parts.scheme != SCHEME or screen is None:
            return False
        if account_id not in self.accounts and len(self.accounts) >= ACCOUNTS_MAX:
            return False
        self.foreground = self.running = True
        self._enter(screen, account_id, query.get("asset", ""))
        return True

    def tap(self, x: int, y: int) -> None:
        """Touch a point: focuses a text field, presses a button."""
        touched = next((e for e in self.elements() if e.clickable and e.holds(x, y)), None)
        if not self.foreground or touched is None or not touched.enabled:
            return
        if touched.kind == "EditText":
            self.focus, self.selected = touched.name, False
        else:
            self._press(touched)

    def swipe(self, y_from: int, y_to: int) -> None:
        """Move the feed or the results by one; up is forward."""
        if not self.foreground or abs(y_from - y_to) < SWIPE_PX_MIN:
            return
        self.position = max(1, self.position + (1 if y_from > y_to else -1))
        self.account.count("swipes")
        self._see_clips()

    def type(self, text: str) -> None:
        """Put text at the end of the focused field, or in place of what is selected."""
        if self.foreground and self.focus is not None:
            before = "" if self.selected else self.fields[self.focus]
            self.fields[self.focus] = (before + text)[:TEXT_CHARS_MAX]
            self.selected = False
            self.status = ""

    def set_text(self, text: str) -> None:
        """Put text into the focused field in place of what it holds."""
        self.selected = True
        self.type(text)

    def press_key(self, key: str) -> None:
        """A key of the names in `commands/touch.py`: del, enter, back, home, select_all."""
        if not self.foreground:
            return
        if key == "home" or (key == "back" and self.screen == "feed"):
            self.leave()
        elif key == "back":
            self._enter("feed", self.account_id)
        elif self.focus is not None:
            self._edit(self.focus, key)

    def _edit(self, name: str, key: str) -> None:
        if key == "del":
            self.fields[name] = "" if self.selected else self.fields[name][:-1]
            self.status = ""
        if key == "enter" and name == "search_field":
            self._search()
        self.selected = key == "select_all"

    def elements(self) -> list[Element]:
        """What the current screen shows, from top to bottom."""
        return getattr(self, f"_{self.screen}_elements")()  # type: ignore[no-any-return]

    def _show(self, screen: str, account_id: str, asset: str = "") -> None:
        self.screen, self.account_id, self.asset = screen, account_id, asset
        self.focus = None
        self.selected = False
        self.status = ""
        self.results_for = ""
        self.opened = None
        self.position = 1
        self.fields = {}

    def _enter(self, screen: str, account_id: str, asset: str = "") -> None:
        self._show(screen, account_id, asset)
        account = self.account
        account.count(f"{screen}_opened")
        self.fields = {
            "feed": {},
            "search": {"search_field": ""},
            "profile": dict(account.profile),
            "compose": {"caption_field": ""},
        }[screen]
        if screen == "feed":
            self.position = max(1, account.clips_seen)
            self._see_clips()

    def _see_clips(self) -> None:
        if self.screen == "feed":
            self.account.clips_seen = max(self.account.clips_seen, self.position)

    def _press(self, button: Element) -> None:
        if button.name == "search_button":
            self._search()
        elif button.name == "save_button":
            self.account.profile = dict(self.fields)
            self.account.count("profile_saved")
            self.status = "Saved"
        elif button.name == "post_button":
            self._post()
        elif button.name == "result_item":
            self.opened = int(button.text.rsplit(" ", 1)[1])
            self.account.count("results_opened")

    def _search(self) -> None:
        text = self.fields["search_field"].strip()
        if text:
            keep(self.account.searches, text)
            self.account.count("searches")
            self.results_for, self.position, self.opened = text, 1, None

    def _post(self) -> None:
        digest = self._asset_sha256(self.asset) if self.asset else None
        if digest is None:
            self.status = "Asset not found"
            return
        caption = self.fields["caption_field"]
        post = {"asset": self.asset, "asset_sha256": digest, "caption": caption}
        keep(self.account.posts, post)
        self.account.count("posts")
        self.status = "Posted"

    def _feed_elements(self) -> list[Element]:
        clips = [
            Element("feed_item", "TextView", row(1 + i, 130), f"Clip {self.position + i}")
            for i in range(CLIPS_SHOWN)
        ]
        return [Element("feed_position", "TextView", (8, 28, 262, 50), str(self.position)), *clips]

    def _search_elements(self) -> list[Element]:
        shown: list[Element] = []
        if self.results_for:
            shown.append(Element("results", "ListView", (0, 100, WIDTH_PX, HEIGHT_PX)))
        for i in range(RESULTS_SHOWN if self.results_for else 0):
            number = self.position + i
            text = f"{self.results_for} {number}"
            box = (8, 104 + 70 * i, 262, 170 + 70 * i)
            shown.append(
                Element("result_item", "TextView", box, text, selected=number == self.opened)
            )
        button = Element("search_button", "Button", (200, 40, 262, 80), "Search")
        return [self._field("search_field", (8, 40, 192, 80)), button, *shown]

    def _profile_elements(self) -> list[Element]:
        return [
            self._field("display_name", (8, 40, 262, 80)),
            self._field("username", (8, 90, 262, 130)),
            self._field("bio", (8, 140, 262, 240)),
            Element("save_button", "Button", (8, 250, 262, 290), "Save"),
            Element("status_text", "TextView", (8, 300, 262, 330), self.status),
        ]

    def _compose_elements(self) -> list[Element]:
        name = posixpath.basename(self.asset)
        posted = self.status == "Posted"
        return [
            Element("asset_name", "TextView", (8, 40, 262, 70), name),
            self._field("caption_field", (8, 80, 262, 180)),
            Element("post_button", "Button", (8, 190, 262, 230), "Post", enabled=not posted),
            Element("status_text", "TextView", (8, 240, 262, 270), self.status),
        ]

    def _field(self, name: str, box: tuple[int, int, int, int]) -> Element:
        return Element(name, "EditText", box, self.fields[name])


def row(number: int, height_px: int) -> tuple[int, int, int, int]:
    """The box of a full-width row below the title bar."""
    top = 55 + (number - 1) * (height_px + 8)
    return (8, top, WIDTH_PX - 8, top + height_px)


def keep(kept: list[Kept], new: Kept) -> None:
    """Add to a list that forgets its oldest beyond the limit."""
    kept.append(new)
    del kept[:-KEPT_MAX]
