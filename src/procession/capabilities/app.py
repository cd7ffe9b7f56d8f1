"""Drives an app through its profile: opens screens, fills fields, and checks what came of it."""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable
from urllib.parse import quote

from procession.capabilities import keyboard
from procession.capabilities.capability import Job, RunFailed, RunTimedOut
from procession.capabilities.profile import AppProfile
from procession.capabilities.screen import Element, Screen, named

DEFAULT_ACCOUNT = "default"
FILL_TRIES_MAX = 2
READ_BACK_S = 3.0
CLIPS_BETWEEN_LOOKS = 10


class FieldNotFilled(RunFailed):
    """A field does not hold what was typed into it."""


class App:
    """An app on the run's phone, spoken to in the words of the profile: links and roles."""

    def __init__(self, job: Job, profile: AppProfile) -> None:
        self.profile = profile
        self.screen = Screen(job, profile.timing)
        self.phone = self.screen.phone
        self.shell = self.screen.shell
        self._job = job

    def open(self, link: str, **places: str) -> None:
        """Open a screen by its deep link. Raises RunFailed where the phone knows no such app."""
        template = getattr(self.profile.links, link)
        if template is None:
            raise RunFailed(f"the app profile {self.profile.app.name} names no link {link}")
        account = self._job.account_id or DEFAULT_ACCOUNT
        uri = template
        for place, value in {**places, "account": account}.items():
            uri = uri.replace(f"{{{place}}}", quote(value, safe=""))
        self._start(
            f"-a android.intent.action.VIEW -d {shlex.quote(uri)} "
            f"{shlex.quote(self.profile.app.package)}"
        )

    def restart(self) -> None:
        """Close the app and start it again; it must then be on the screen."""
        package = self.profile.app.package
        self.shell(f"am force-stop {shlex.quote(package)}")
        self._start(f"-n {shlex.quote(self.profile.app.activity)}")
        self._wait_until_shown(package)

    def wait_for(
        self, role: str, text: str | None = None, *, within_s: float | None = None
    ) -> Element:
        """The element that plays this role, once it is there. Raises RunTimedOut."""
        return self.screen.wait_for(self.element_id(role), text, within_s=within_s)

    def read(self, role: str) -> str:
        """What the element of this role reads, once it is there."""
        return self.wait_for(role).text

    def read_now(self, role: str) -> str | None:
        """What the element of this role reads now; None where it is not shown."""
        found = named(self.screen.look(), self.element_id(role))
        return found.text if found else None

    def tap(self, role: str) -> None:
        self.screen.tap(self.wait_for(role))

    def fill(self, role: str, text: str) -> None:
        """Put exactly this text into a field and read it back. Raises FieldNotFilled."""
        for tried in range(FILL_TRIES_MAX):
            field = self.wait_for(role)
            self.screen.tap(field)
            if field.text and not tried:
                keyboard.clear(self.shell)
            elif field.text:
                keyboard.delete(self.shell, len(field.text))
            keyboard.enter(self.shell, text, self.profile.input.set_text)
            if self._reads(role, text):
                return
        held = self.read(role)
        raise FieldNotFilled(f"{role} reads {held[:200]!r} after typing {text[:200]!r}", retry=True)

    def watch(self, role: str, seconds: float, tell: Callable[[float], None]) -> int:
        """Look through what is shown for so many seconds; returns how many times it moved on.

        Looks and moves on at an even pace and does nothing else. `tell` gets the share done,
        0 to 1. Raises RunTimedOut when the element of this role is no longer shown.
        """
        left, moves = seconds, 0
        self.wait_for(role)
        while left > 0:
            tell(1 - left / seconds)
            pause = min(self.profile.timing.clip_s, left)
            self._job.wait(pause)
            left -= pause
            if left > 0:
                began = time.monotonic()
                self.screen.swipe_up()
                moves += 1
                if moves % CLIPS_BETWEEN_LOOKS == 0:
                    self.wait_for(role)
                left -= time.monotonic() - began
        self.wait_for(role)
        return moves

    def names(self, role: str) -> bool:
        """Whether the profile names an element for this role."""
        return getattr(self.profile.elements, role) is not None

    def element_id(self, role: str) -> str:
        """The resource id that plays a role. Raises RunFailed where the profile names none."""
        found: str | None = getattr(self.profile.elements, role)
        if found is None:
            raise RunFailed(f"the app profile {self.profile.app.name} names no element {role}")
        return found

    def _start(self, intent: str) -> None:
        said = self.shell(f"am start {intent}")
        if any(line.startswith("Error") for line in said.splitlines()):
            raise RunFailed(f"the phone cannot open it: {said.strip()[-300:]}")

    def _reads(self, role: str, text: str) -> bool:
        try:
            self.wait_for(role, text, within_s=READ_BACK_S)
        except RunTimedOut:
            return False
        return True

    def _wait_until_shown(self, package: str) -> None:
        prefix = f"{package}:"
        self.screen.wait_until(
            lambda seen: any(one.resource_id.startswith(prefix) for one in seen),
            f"{package} to be on the screen",
        )
