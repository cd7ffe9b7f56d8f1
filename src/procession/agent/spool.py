"""Results on disk until the server has answered for them, and which runs were under way.

One append-only file of JSON lines: `begun` when an item is taken, `result` before it is sent
(synced to the disk), `done` once answered. What a line says of an item and attempt first is
what counts, so that a result is never sent twice with another content.
"""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Iterable
from pathlib import Path

import msgspec
from msgspec import Struct

from procession.protocol import Result

SPOOL_BYTES_MAX = 64 * 1024 * 1024
TIDY_BYTES_MIN = 1024 * 1024
RESULTS_MAX = 10_000

Key = tuple[str, int]
log = logging.getLogger(__name__)


class Line(Struct, omit_defaults=True):
    """One line of the file; exactly one of the fields is set."""

    begun: Key | None = None
    result: Result | None = None
    done: Key | None = None


class Interrupted(Struct, frozen=True):
    """A run that had been taken when a former life of the agent ended without its result."""

    item_id: str
    attempt: int


class Spool:
    """The file and what it says. Not for two processes at once: the agent's lock guards it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._begun: set[Key] = set()
        self._results: dict[Key, Result] = {}
        self._torn = False
        self._read()
        self._fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._compact()

    def interrupted(self) -> list[Interrupted]:
        """Runs begun but neither ended nor answered."""
        return [Interrupted(*key) for key in sorted(self._begun - self._results.keys())]

    def waiting(self) -> list[Result]:
        """Results without an answer, oldest first."""
        return list(self._results.values())

    @property
    def full(self) -> bool:
        """Too much waits to be sent: no new work should be taken."""
        return len(self._results) >= RESULTS_MAX or self._size() >= 2 * SPOOL_BYTES_MAX

    def begin(self, item_id: str, attempt: int) -> None:
        """Note that a run is under way."""
        self._begun.add((item_id, attempt))
        self._append([Line(begun=(item_id, attempt))])

    def put(self, results: Iterable[Result]) -> list[Result]:
        """Write results; the ones to send, which for known keys are those written first.

        Not yet safe against power loss: call `sync` before sending.
        """
        to_send = []
        fresh = []
        for result in results:
            key = (result.item_id, result.attempt)
            if key not in self._results:
                self._results[key] = result
                fresh.append(Line(result=result))
            to_send.append(self._results[key])
        self._append(fresh)
        return to_send

    def sync(self) -> None:
        """Wait until everything written is on the disk. Safe to call in a thread."""
        try:
            os.fdatasync(self._fd)
        except OSError as reason:
            log.error("spool not synced: %s", reason)

    def done(self, keys: Iterable[Key]) -> None:
        """The server has answered for these, or they need no result."""
        known = [key for key in keys if key in self._begun or key in self._results]
        for key in known:
            self._forget(key)
        self._append([Line(done=key) for key in known])
        size = self._size()
        if size > SPOOL_BYTES_MAX or (size > TIDY_BYTES_MIN and not self._begun):
            with contextlib.suppress(OSError):
                self._compact()

    def close(self) -> None:
        os.close(self._fd)

    def _forget(self, key: Key) -> None:
        self._begun.discard(key)
        self._results.pop(key, None)

    def _append(self, lines: list[Line]) -> None:
        """A disk that takes nothing loses the memory over restarts, not the result."""
        if not lines:
            return
        try:
            _write(self._fd, lines, b"\n" if self._torn else b"")
            self._torn = False
        except OSError as reason:
            self._torn = True
            log.error("spool not written: %s", reason)

    def _size(self) -> int:
        return os.fstat(self._fd).st_size

    def _read(self) -> None:
        with contextlib.suppress(FileNotFoundError), self._path.open("rb") as file:
            for raw in file:
                # A torn last line is one that was never answered for: nothing is lost with it.
                with contextlib.suppress(msgspec.MsgspecError):
                    self._apply(msgspec.json.decode(raw, type=Line))

    def _apply(self, line: Line) -> None:
        if line.begun:
            self._begun.add(line.begun)
        elif line.result:
            self._results.setdefault((line.result.item_id, line.result.attempt), line.result)
        elif line.done:
            self._forget(line.done)

    def _compact(self) -> None:
        """Write what still counts to a fresh file and put it in place."""
        fresh = self._path.with_suffix(".new")
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
        fd = os.open(fresh, flags, 0o600)
        _write(fd, [Line(begun=key) for key in sorted(self._begun)])
        _write(fd, [Line(result=result) for result in self._results.values()])
        os.fsync(fd)
        fresh.rename(self._path)
        # Replaced under the same number: a sync in a thread finds one file or the other.
        os.dup2(fd, self._fd, inheritable=False)
        os.close(fd)


def _write(fd: int, lines: list[Line], before: bytes = b"") -> None:
    data = memoryview(before + b"".join(msgspec.json.encode(line) + b"\n" for line in lines))
    while data:
        data = data[os.write(fd, data) :]
