"""The open streams of one kind, by what they watch; pinged while there are any."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from procession.core.errors import Overloaded
from procession.store.connection import Topic

if TYPE_CHECKING:
    from procession.faces.stream import Mailbox

PING_S = 10.0


class Watched(Protocol):
    """What several streams watch together."""

    mailboxes: set[Mailbox]

    def wake(self, topic: Topic) -> None: ...


Key = TypeVar("Key", bound=Hashable)
One = TypeVar("One", bound=Watched)


class OpenStreams(Generic[Key, One]):
    """Each thing that is watched is made for its first stream, and forgotten after its last."""

    def __init__(self, make: Callable[[Key, Callable[[], None]], One]) -> None:
        """`make` is given the key and what to call once the last stream has gone."""
        self._make = make
        self._watched: dict[Key, One] = {}
        self._pinging: asyncio.TimerHandle | None = None
        self._closing = False

    def __len__(self) -> int:
        """How many streams are open."""
        return sum(len(one.mailboxes) for one in self._watched.values())

    @property
    def watched(self) -> list[One]:
        return list(self._watched.values())

    def of(self, key: Key) -> One:
        """What a new stream of this key is to join. Raises Overloaded."""
        if self._closing:
            raise Overloaded("the server is stopping")
        one = self._watched.get(key)
        if one is None:
            one = self._watched[key] = self._make(key, lambda: self._forget(key))
        if self._pinging is None:
            self._ping_later()
        return one

    def close_all(self) -> None:
        """End every stream; none is opened any more."""
        self._closing = True
        for one in self.watched:
            for mailbox in tuple(one.mailboxes):
                mailbox.close()

    def _forget(self, key: Key) -> None:
        self._watched.pop(key, None)
        if not self._watched and self._pinging is not None:
            self._pinging.cancel()
            self._pinging = None

    def _ping_later(self) -> None:
        self._pinging = asyncio.get_running_loop().call_later(PING_S, self._ping)

    def _ping(self) -> None:
        """Also look again: a wake-up may have been lost."""
        for one in self.watched:
            one.wake(("process",))
            for mailbox in tuple(one.mailboxes):
                mailbox.ping()
        self._ping_later()
