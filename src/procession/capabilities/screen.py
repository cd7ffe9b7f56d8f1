"""What is on the phone's screen: reads it, waits for elements, taps and swipes."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable
from contextlib import suppress
from xml.etree import ElementTree

from msgspec import Struct

from procession.capabilities.capability import Job, Phone, RunFailed, RunStopped, RunTimedOut
from procession.capabilities.profile import Timing

DUMP = "/sdcard/procession-window.xml"
DUMP_CHARS_MAX = 4_000_000
DUMP_TIMEOUT_S = 30.0
SWIPE_MS = 300
BOUNDS = re.compile(r"\[(-?\d+),(-?\d+)\]\[(-?\d+),(-?\d+)\]")
SURROGATES = re.compile(r"&#(5[56]\d{3});&#(5[67]\d{3});")


class ScreenUnreadable(RunFailed):
    """The screen could not be read."""


class Element(Struct, frozen=True):
    """One element of the screen; its place in pixels."""

    resource_id: str
    text: str
    left: int
    top: int
    right: int
    bottom: int

    @property
    def centre(self) -> tuple[int, int]:
        return (self.left + self.right) // 2, (self.top + self.bottom) // 2


class Screen:
    """The screen of a run's phone; every call first obeys a stop."""

    def __init__(self, job: Job, timing: Timing) -> None:
        if job.phone is None:
            raise RunFailed(f"{job.capability} needs a phone and was given none")
        self._job = job
        self.phone: Phone = job.phone
        self._timing = timing

    def shell(self, command: str, *, timeout_s: float = 20.0) -> str:
        """Run a command on the phone. Raises RunStopped, PhoneFault or RunFailed."""
        if self._job.stopping:
            raise RunStopped
        return self.phone.shell(command, timeout_s=timeout_s)

    def look(self) -> list[Element]:
        """Every element shown now, top first. Raises ScreenUnreadable."""
        said = self.shell(f"uiautomator dump {DUMP}", timeout_s=DUMP_TIMEOUT_S)
        if "dumped to" not in said:
            raise ScreenUnreadable(f"uiautomator said: {said.strip()[:200]}", retry=True)
        return parse(self.shell(f"cat {DUMP}"))

    def wait_for(
        self, resource_id: str, text: str | None = None, *, within_s: float | None = None
    ) -> Element:
        """The element once it is shown, and reads `text` if given. Raises RunTimedOut."""

        reads: str | None = None

        def there(seen: list[Element]) -> bool:
            nonlocal reads
            found = named(seen, resource_id)
            reads = found.text if found else None
            return found is not None and text in (None, reads)

        wanted = f"{resource_id} to " + ("appear" if text is None else f"read {text[:100]!r}")
        try:
            found = named(self.wait_until(there, wanted, within_s=within_s), resource_id)
        except RunTimedOut as late:
            now = "it is not there" if reads is None else f"it reads {reads[:100]!r}"
            raise RunTimedOut(f"{late}; {now}", retry=late.retry) from None
        assert found is not None
        return found

    def wait_until(
        self,
        there: Callable[[list[Element]], bool],
        wanted: str,
        *,
        within_s: float | None = None,
    ) -> list[Element]:
        """What is shown once it is as wanted. Raises RunTimedOut, saying what was waited for.

        Looks a limited number of times as well as for a limited time, and twice at least.
        """
        limit_s = self._timing.appear_s if within_s is None else within_s
        began = time.monotonic()
        for tried in range(max(2, math.ceil(limit_s / self._timing.poll_s))):
            if tried > 1 and time.monotonic() - began > limit_s:
                break
            if tried:
                self._job.wait(self._timing.poll_s)
            with suppress(ScreenUnreadable):
                seen = self.look()
                if there(seen):
                    return seen
        raise RunTimedOut(f"waited {limit_s:g} s for {wanted}", retry=True)

    def tap(self, element: Element) -> None:
        x, y = element.centre
        self.shell(f"input tap {x} {y}")

    def swipe_up(self) -> None:
        """Move on to what is below, as a thumb does."""
        width, height = self._size()
        x = width // 2
        self.shell(f"input swipe {x} {height * 3 // 4} {x} {height // 4} {SWIPE_MS}")

    def _size(self) -> tuple[int, int]:
        found = re.findall(r"(\d+)x(\d+)", self.shell("wm size"))
        if not found:
            raise ScreenUnreadable("wm size names no size")
        width, height = found[-1]
        return int(width), int(height)


def named(seen: list[Element], resource_id: str) -> Element | None:
    return next((one for one in seen if one.resource_id == resource_id), None)


def parse(dump: str) -> list[Element]:
    """The elements of a `uiautomator dump`. Raises ScreenUnreadable."""
    if len(dump) > DUMP_CHARS_MAX or "<!DOCTYPE" in dump or "<!ENTITY" in dump:
        raise ScreenUnreadable("the dump of the screen is too large or no plain XML", retry=True)
    try:
        tree = ElementTree.fromstring(SURROGATES.sub(_joined, dump).encode())  # noqa: S314
    except (ElementTree.ParseError, UnicodeEncodeError) as reason:
        raise ScreenUnreadable(f"the dump of the screen is cut off: {reason}", retry=True) from None
    return [element for node in tree.iter("node") if (element := _element(node.attrib))]


def _element(attributes: dict[str, str]) -> Element | None:
    bounds = BOUNDS.fullmatch(attributes.get("bounds", ""))
    if bounds is None:
        return None
    left, top, right, bottom = map(int, bounds.groups())
    identity, text = attributes.get("resource-id", ""), attributes.get("text", "")
    return Element(identity, text, left, top, right, bottom)


def _joined(pair: re.Match[str]) -> str:
    """Android writes characters over U+FFFF as two references, which no XML parser accepts."""
    high, low = int(pair[1]), int(pair[2])
    if 0xD800 <= high < 0xDC00 <= low < 0xE000:
        return chr(0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00))
    return pair[0]
