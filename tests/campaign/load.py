"""Work that callers ask for while something breaks: every piece asked for until it was taken."""

from __future__ import annotations

import random
import threading
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPException
from typing import Any, NamedTuple

from api import Api, Reply, new_request_id
from history import Book

CALLERS = 3
CALL_S_MAX = 5.0
AGAIN_S = 0.05
ASKED_S_MAX = 90.0
AWAY = (OSError, HTTPException)
"""What a caller of a server that is away, or goes away, may see."""
CAPABILITIES = ["witness", "witness", "witness_talk", "witness_fail", "echo"]


class Piece(NamedTuple):
    """One piece of work; `cancel` is the strategy to end it with once it was accepted."""

    capability: str
    seconds: float
    deaf: bool
    phone: str | None
    server: int
    cancel: str | None
    pause_s: float


class WrongAnswer(AssertionError):
    """A caller was told something it must never be told."""


def pieces(chance: random.Random, count: int, phones: Sequence[str], servers: int) -> list[Piece]:
    """Any mixture of short runs, some that do not listen, some cancelled."""
    return [
        Piece(
            capability=chance.choice(CAPABILITIES),
            seconds=chance.choice([0.0, 0.1, 0.3, 0.8]),
            deaf=chance.random() < 0.25,
            phone=chance.choice([*phones, None]),
            server=chance.randrange(servers),
            cancel="hard" if chance.random() < 0.15 else None,
            pause_s=chance.uniform(0, 0.15),
        )
        for _ in range(count)
    ]


class Load:
    """Callers at work in threads. `asked`, `refused` and `unanswered` count while they go on."""

    def __init__(self, apis: Sequence[Api], book: Book, work: Sequence[Piece]) -> None:
        self.accepted: dict[str, Piece] = {}
        self.asked = self.refused = self.unanswered = 0
        self._apis, self._book, self._waiting = apis, book, deque(work)
        self._over = threading.Event()
        self._pool = ThreadPoolExecutor(CALLERS)
        self._callers = [self._pool.submit(self._work) for _ in range(CALLERS)]

    @property
    def done(self) -> bool:
        """Whether every piece was taken, or a caller has failed."""
        return all(caller.done() for caller in self._callers)

    def end(self) -> dict[str, Piece]:
        """Wait until everything was taken: what was accepted. Raises what a caller has raised."""
        try:
            for caller in self._callers:
                caller.result(ASKED_S_MAX)
        finally:
            self.stop()
        return self.accepted

    def stop(self) -> None:
        self._over.set()
        self._pool.shutdown()

    def _work(self) -> None:
        while True:
            try:
                piece = self._waiting.popleft()
            except IndexError:
                return
            self._over.wait(piece.pause_s)
            process_id = self._submit(piece)
            if process_id is None:
                return
            self.accepted[process_id] = piece
            if piece.cancel:
                self._cancel(process_id, piece)

    def _submit(self, piece: Piece) -> str | None:
        """Its process id; None when it is over before anybody has taken it."""
        request_id = new_request_id()
        inputs: Any = {"request": request_id}
        if piece.capability != "echo":
            inputs = self._book.inputs(piece.seconds, ignore_stop=piece.deaf)
        self.asked += 1
        target = {"phone": piece.phone} if piece.phone else {}

        def ask(api: Api) -> Reply:
            return api.enqueue(request_id, piece.capability, inputs, CALL_S_MAX, **target)

        reply = self._until_answered(ask, piece, (200, 202))
        return reply.body["process_id"] if reply else None

    def _cancel(self, process_id: str, piece: Piece) -> None:
        body: Any = {"reason": "asked by a test", "requested_by": {}, "strategy": piece.cancel}

        def ask(api: Api) -> Reply:
            return api.call("POST", f"/processes/{process_id}/cancel", body, CALL_S_MAX)

        self._until_answered(ask, piece, (200,))

    def _until_answered(self, ask: Any, piece: Piece, wanted: tuple[int, ...]) -> Reply | None:
        """Asked of one server after the other, for as long as they are away or say 503."""
        number = piece.server
        while not self._over.is_set():
            try:
                reply: Reply = ask(self._apis[number % len(self._apis)])
            except AWAY as error:
                self.unanswered += isinstance(error, TimeoutError)
                reply = Reply(503, {}, None)
            if reply.status in wanted:
                return reply
            if reply.status != 503:
                raise WrongAnswer(f"{reply.status} {reply.body}")
            self.refused += 1
            number += 1
            self._over.wait(AGAIN_S)
        return None
