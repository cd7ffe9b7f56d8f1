"""Callers that go on asking, as callers of a durable API do, and remember what they were told."""

from __future__ import annotations

import http.client
import itertools
import threading
import time
from collections import Counter
from collections.abc import Sequence
from typing import Any

from api import Api
from deadline import until

ASK_S_MAX = 60.0


class Callers:
    """Each submits one request after the other, at any of the servers, until it is accepted."""

    def __init__(self, apis: Sequence[Api], count: int, phone: str) -> None:
        self._apis, self._phone = list(apis), phone
        self._stopping = threading.Event()
        self._numbers = itertools.count(1)
        self.statuses: Counter[int | str] = Counter()
        self.accepted: dict[str, str] = {}
        """The process id each request was answered with."""
        self.slowest_s = 0.0
        self.failures: list[str] = []
        self._threads = [threading.Thread(target=self._ask_on) for _ in range(count)]
        for thread in self._threads:
            thread.start()

    def until_accepted(self, more: int) -> None:
        """Until so many more requests were accepted than now."""
        enough = len(self.accepted) + more
        until(lambda: len(self.accepted) >= enough, 60, f"{more} more requests accepted")

    def stop(self) -> None:
        """Every request that was begun is accepted when this returns."""
        self._stopping.set()
        for thread in self._threads:
            thread.join(ASK_S_MAX)
            assert not thread.is_alive()
        assert self.failures == []

    def _ask_on(self) -> None:
        turns = itertools.cycle(self._apis)
        while not self._stopping.is_set():
            request_id = f"persistent-{next(self._numbers)}"
            ends_s = time.monotonic() + ASK_S_MAX
            while not self._ask(next(turns), request_id):
                if time.monotonic() > ends_s:
                    self.failures.append(f"{request_id} was not accepted in {ASK_S_MAX:g} s")
                    return

    def _ask(self, api: Api, request_id: str) -> bool:
        begun_s = time.monotonic()
        try:
            reply = api.enqueue(request_id, "echo", {"text": "hello"}, phone=self._phone)
        except (OSError, http.client.HTTPException) as error:
            # Refused, reset or cut off: what callers are told to expect of a server that restarts.
            return self._note(type(error).__name__, begun_s, wait_s=0.1)
        if reply.status in (200, 202):
            self._note(reply.status, begun_s)
            return self._keep(request_id, reply.body)
        if reply.status != 503 or "retry-after" not in reply.headers:
            self.failures.append(f"{request_id}: {reply}")
        return self._note(reply.status, begun_s, wait_s=0.1)

    def _keep(self, request_id: str, body: Any) -> bool:
        self.accepted[request_id] = body["process_id"]
        return True

    def _note(self, status: int | str, begun_s: float, wait_s: float = 0.0) -> bool:
        self.statuses[status] += 1
        self.slowest_s = max(self.slowest_s, time.monotonic() - begun_s)
        self._stopping.wait(wait_s)
        return False
