"""Waking those who wait for something saved. A hint may be lost: every wait has a timer too."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

from procession.store.connection import Topic

Listener = Callable[[Topic], None]


class Wakeup:
    """Who listens to which topics, on one event loop; who came first is told first."""

    def __init__(self) -> None:
        self._listeners: dict[Topic, dict[Listener, None]] = {}
        self._to_kinds: dict[str, dict[Listener, None]] = {}
        self.closing = False

    def close(self) -> None:
        """The server stops: every wait ends now, and none begins."""
        self.closing = True
        self.saved_something()

    def listen(self, topics: Iterable[Topic], listener: Listener) -> None:
        for topic in topics:
            self._listeners.setdefault(topic, {})[listener] = None

    def unlisten(self, topics: Iterable[Topic], listener: Listener) -> None:
        for topic in topics:
            listeners = self._listeners.get(topic)
            if listeners is not None:
                listeners.pop(listener, None)
                if not listeners:
                    del self._listeners[topic]

    def listen_to_kind(self, kind: str, listener: Listener) -> None:
        """Hear of every topic of a kind; of `(kind,)` alone when nobody knows which."""
        self._to_kinds.setdefault(kind, {})[listener] = None

    def unlisten_to_kind(self, kind: str, listener: Listener) -> None:
        self._to_kinds.get(kind, {}).pop(listener, None)

    def watched(self, kind: str) -> list[str]:
        """The ids of everything of a kind that somebody listens for."""
        return [topic[1] for topic in self._listeners if topic[0] == kind]

    def saved_something(self) -> None:
        """Tell every listener: something was saved, and nobody knows what."""
        self.saved((*self._listeners, *((kind,) for kind in self._to_kinds)))

    def saved(self, topics: Iterable[Topic]) -> None:
        """Tell every listener of these topics; called once a turn, after the commit."""
        if not self._listeners and not self._to_kinds:
            return
        for topic in topics:
            for listener in tuple(self._listeners.get(topic, ())):
                listener(topic)
            for listener in tuple(self._to_kinds.get(topic[0], ())):
                listener(topic)


class Waiting:
    """A wait for any of some topics: enter it before you look, so that nothing is missed."""

    def __init__(self, wakeup: Wakeup, topics: Iterable[Topic]) -> None:
        self._wakeup = wakeup
        self._topics = tuple(topics)
        self._woken = asyncio.Event()

    def __enter__(self) -> Waiting:
        self._wakeup.listen(self._topics, self._wake)
        return self

    def __exit__(self, *_: object) -> None:
        self._wakeup.unlisten(self._topics, self._wake)

    async def wait(self, seconds: float) -> bool:
        """True when woken, False when the time was over; ready for the next wait."""
        if self._wakeup.closing:
            return False
        try:
            async with asyncio.timeout(max(seconds, 0)):
                await self._woken.wait()
        except TimeoutError:
            return False
        self._woken.clear()
        return True

    def _wake(self, _: Topic) -> None:
        self._woken.set()
