"""The demo app of a simulated phone: its accounts, and what links, touches and keys do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any, TypeVar
from urllib.parse import parse_qs, urlsplit

from procession.simulator.layout import POSTED, Element, View, elements

PACKAGE = "app.procession.demo"
ACTIVITY = f"{PACKAGE}/.MainActivity"
SCHEME = "procession-demo"
LINKS = {"feed": "feed", "search": "search", "profile/edit": "profile", "compose": "compose"}
DEFAULT_ACCOUNT = "default"
ACCOUNTS_MAX = 1_000
KEPT_MAX = 10_000
TEXT_CHARS_MAX = 5_000
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


class DemoApp:
    """The app: one screen at a time, one account at a time.

    `asset_sha256(path)` gives the digest of a file on the phone, or None when it is missing.
    """

    def __init__(self, asset_sha256: Callable[[str], str | None]) -> None:
        self._asset_sha256 = asset_sha256
        self.clear()

    def clear(self) -> None:
        """Forget everything, as `pm clear` does."""
        self.accounts: dict[str, Account] = {}
        self.stop()

    def stop(self) -> None:
        """Close the app; what the accounts did stays."""
        self.foreground = self.running = False
        self.view = View("feed", DEFAULT_ACCOUNT)

    def leave(self) -> None:
        """Go to the background."""
        self.foreground = False
        self.view.focus = None

    @property
    def account(self) -> Account:
        return self.accounts.setdefault(self.view.account_id, Account())

    def state(self) -> dict[str, Any]:
        """The whole model as plain values."""
        return {
            "accounts": {name: asdict(account) for name, account in list(self.accounts.items())},
            "account": self.view.account_id,
            "screen": self.view.screen if self.foreground else None,
            "running": self.running,
        }

    def open(self, link: str | None) -> bool:
        """Come to the front, at a deep link when given; False when the link leads nowhere."""
        if link is None:
            if not self.running:
                self._enter(View("feed", DEFAULT_ACCOUNT))
            self.foreground = self.running = True
            return True
        view = linked_view(link)
        if view is None:
            return False
        if view.account_id not in self.accounts and len(self.accounts) >= ACCOUNTS_MAX:
            return False
        self.foreground = self.running = True
        self._enter(view)
        return True

    def elements(self) -> list[Element]:
        """What the current screen shows, from top to bottom."""
        return elements(self.view)

    def tap(self, x: int, y: int) -> None:
        """Touch a point: focuses a text field, presses a button."""
        touched = next((e for e in self.elements() if e.clickable and e.holds(x, y)), None)
        if not self.foreground or touched is None or not touched.enabled:
            return
        if touched.kind == "EditText":
            self.view.focus, self.view.all_selected = touched.name, False
        else:
            self._press(touched)

    def swipe(self, y_from: int, y_to: int) -> None:
        """Move the feed or the results by one; up is forward."""
        view = self.view
        moves = view.screen == "feed" or view.results_for
        if not self.foreground or not moves or abs(y_from - y_to) < SWIPE_PX_MIN:
            return
        view.position = max(1, view.position + (1 if y_from > y_to else -1))
        self.account.count("swipes")
        if view.screen == "feed":
            self._see_clip()

    def type(self, text: str) -> None:
        """Put text at the end of the focused field, or in place of what is selected."""
        view = self.view
        if self.foreground and view.focus is not None:
            before = "" if view.all_selected else view.fields[view.focus]
            view.fields[view.focus] = (before + text)[:TEXT_CHARS_MAX]
            view.all_selected, view.status = False, ""

    def set_text(self, text: str) -> None:
        """Put text into the focused field in place of what it holds."""
        self.view.all_selected = True
        self.type(text)

    def press_key(self, key: str) -> None:
        """A key: del, enter, back, home, move_end, select_all; others do nothing."""
        if not self.foreground:
            return
        if key == "home" or (key == "back" and self.view.screen == "feed"):
            self.leave()
        elif key == "back":
            self._enter(View("feed", self.view.account_id))
        elif self.view.focus is not None:
            self._edit(self.view.focus, key)

    def _edit(self, name: str, key: str) -> None:
        view = self.view
        if key == "del":
            view.fields[name] = "" if view.all_selected else view.fields[name][:-1]
            view.status = ""
        if key == "enter" and name == "search_field":
            self._search()
        view.all_selected = key == "select_all"

    def _enter(self, view: View) -> None:
        self.view = view
        account = self.account
        account.count(f"{view.screen}_opened")
        if view.screen == "search":
            view.fields = {"search_field": ""}
        elif view.screen == "profile":
            view.fields = dict(account.profile)
        elif view.screen == "compose":
            view.fields = {"caption_field": ""}
        else:
            view.position = max(1, account.clips_seen)
            self._see_clip()

    def _see_clip(self) -> None:
        self.account.clips_seen = max(self.account.clips_seen, self.view.position)

    def _press(self, button: Element) -> None:
        if button.name == "search_button":
            self._search()
        elif button.name == "save_button":
            self.account.profile = dict(self.view.fields)
            self.account.count("profile_saved")
            self.view.status = "Saved"
        elif button.name == "post_button":
            self._post()
        elif button.name == "result_item":
            self.view.opened = int(button.text.rsplit(" ", 1)[1])
            self.account.count("results_opened")

    def _search(self) -> None:
        text = self.view.fields["search_field"].strip()
        if text:
            keep(self.account.searches, text)
            self.account.count("searches")
            self.view.results_for, self.view.position, self.view.opened = text, 1, None

    def _post(self) -> None:
        asset, caption = self.view.asset, self.view.fields["caption_field"]
        digest = self._asset_sha256(asset) if asset else None
        if digest is None:
            self.view.status = "Asset not found"
            return
        keep(self.account.posts, {"asset": asset, "asset_sha256": digest, "caption": caption})
        self.account.count("posts")
        self.view.status = POSTED


def linked_view(link: str) -> View | None:
    """The view a deep link leads to; None when it leads nowhere."""
    try:
        parts = urlsplit(link)
    except ValueError:
        return None
    screen = LINKS.get((parts.netloc + parts.path).strip("/"))
    if parts.scheme != SCHEME or screen is None:
        return None
    query = {key: values[-1] for key, values in parse_qs(parts.query).items()}
    return View(screen, query.get("account", DEFAULT_ACCOUNT), query.get("asset", ""))


def keep(kept: list[Kept], new: Kept) -> None:
    """Add to a list that forgets its oldest beyond the limit."""
    kept.append(new)
    del kept[:-KEPT_MAX]
