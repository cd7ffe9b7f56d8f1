"""Names to addresses by the operating system's resolver."""

import asyncio
import socket
import threading
from collections.abc import Sequence
from contextlib import suppress

LOOKUPS_MAX = 128


class SystemLookup:
    """Looks names up, each in a daemon thread of its own.

    A name server that does not answer holds its thread for as long as the system likes. In the
    event loop's shared pool a few such names would stop all lookups and hold up the process's end.
    """

    def __init__(self, lookups_max: int = LOOKUPS_MAX) -> None:
        self._lock = threading.Lock()
        self._places_free = lookups_max

    @property
    def places_free(self) -> int:
        """How many more lookups may be under way at this moment."""
        return self._places_free

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        """Return the addresses of `host`; OSError when there is none or no place is free."""
        self._take_place()
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[list[str]] = loop.create_future()
        thread = threading.Thread(
            target=self._work, args=(host, port, loop, answer), name="lookup", daemon=True
        )
        try:
            thread.start()
        except RuntimeError as error:
            self._give_place()
            raise OSError("no thread can be started for a name lookup") from error
        return await answer

    def _work(
        self,
        host: str,
        port: int,
        loop: asyncio.AbstractEventLoop,
        answer: "asyncio.Future[list[str]]",
    ) -> None:
        found: list[str] | OSError
        try:
            rows = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            found = list(dict.fromkeys(str(row[4][0]) for row in rows))
        except OSError as error:
            found = error
        except UnicodeError as error:
            found = OSError(f"{host} is not a name: {error}")
        finally:
            self._give_place()
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(_settle, answer, found)

    def _take_place(self) -> None:
        with self._lock:
            if self._places_free <= 0:
                raise OSError("too many name lookups are under way")
            self._places_free -= 1

    def _give_place(self) -> None:
        with self._lock:
            self._places_free += 1


def _settle(answer: "asyncio.Future[list[str]]", found: list[str] | OSError) -> None:
    if answer.done():
        return
    if isinstance(found, OSError):
        answer.set_exception(found)
    else:
        answer.set_result(found)
