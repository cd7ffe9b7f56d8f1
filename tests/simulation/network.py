"""Calls between nodes: late, lost, twice, broken off, refused where nobody listens."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from random import Random
from typing import TYPE_CHECKING, Any

from procession.client import Unreachable
from simulation.plan import Plan
from simulation.timeline import Node, Timeline

if TYPE_CHECKING:
    from simulation.server import Server

SLOW_S = 6.0
BREAK_S = 0.05

Work = Callable[["Server"], Awaitable[Any]]


class Place:
    """Where a server is reached; `server` is the process that listens there now, if any."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.server: Server | None = None


class Exchange:
    """One call, from its request to its answer."""

    def __init__(self, source: Node, host: str, place: Place, answer: asyncio.Future[Any]) -> None:
        self.source = source
        self.host = host
        self.place = place
        self.answer = answer
        self.handlers: list[asyncio.Task[Any]] = []
        self.leaves = False

    def settle(self, result: Any, error: BaseException | None) -> None:
        if not self.answer.done():
            if error is not None:
                self.answer.set_exception(error)
                # Read here as well, for callers that died meanwhile.
                self.answer.exception()
            else:
                self.answer.set_result(result)


class Network:
    """Between all nodes. `cut` holds the pairs of names that do not hear each other."""

    def __init__(self, timeline: Timeline, random: Random, plan: Plan) -> None:
        self._timeline = timeline
        self._random = random
        self._plan = plan
        self.places: list[Place] = []
        self.cut: set[tuple[str, str]] = set()
        self._open: dict[Exchange, None] = {}
        self.healed = False

    def choose(self, own: int) -> Place:
        """The server a caller calls: its own, or any that is up where calls are balanced."""
        if not self._plan.balanced:
            return self.places[own % len(self.places)]
        up = [place for place in self.places if place.server]
        return self._random.choice(up or self.places)

    async def call(
        self,
        source: Node,
        host: str,
        own: int,
        work: Work,
        timeout_s: float,
        *,
        leaves: bool = False,
    ) -> Any:
        """What `work` answers on the server; with `leaves` it stops when its caller is gone.

        Raises Unreachable, and what the server refuses with.
        """
        place = self.choose(own)
        exchange = Exchange(source, host, place, self._timeline.create_future())
        exchange.leaves = leaves
        self._open[exchange] = None
        for _ in range(2 if self._happens(self._plan.twice) else 1):
            self._travel(exchange, self._arrive, exchange, work)
        try:
            async with asyncio.timeout(timeout_s):
                return await exchange.answer
        except TimeoutError:
            raise Unreachable("timeout", f"{place.name} did not answer") from None
        finally:
            del self._open[exchange]
            if not exchange.answer.done() or exchange.answer.cancelled():
                self._travel(exchange, self._leave, exchange)

    def died(self, node: Node) -> None:
        """The connections of a caller that was killed are closed."""
        for exchange in [one for one in self._open if one.source is node]:
            del self._open[exchange]
            self._travel(exchange, self._leave, exchange)

    def _happens(self, rate: float) -> bool:
        return not self.healed and self._random.random() < rate

    def _travel(self, exchange: Exchange, then: Callable[..., None], *args: Any) -> None:
        """Over the wire, if it gets there at all."""
        if (exchange.host, exchange.place.name) in self.cut or self._happens(self._plan.loss):
            return
        delay_s = self._random.expovariate(1 / self._plan.delay_s)
        if self._happens(self._plan.slow):
            delay_s += self._random.random() * SLOW_S
        self._timeline.world.call_later(delay_s, then, *args)

    def _arrive(self, exchange: Exchange, work: Work) -> None:
        server = exchange.place.server
        if server is None:
            refused = Unreachable("refused", f"{exchange.place.name} is down")
            self._travel(exchange, exchange.settle, None, refused)
            return
        handler = server.handle(work, exchange)
        exchange.handlers.append(handler)
        handler.add_done_callback(
            lambda done: self._handled(exchange, done), context=self._timeline.world.context
        )

    def _handled(self, exchange: Exchange, done: asyncio.Task[Any]) -> None:
        if done.cancelled():
            return
        error = done.exception()
        result = None if error else done.result()
        self._travel(exchange, exchange.settle, result, error)

    def broke(self, exchange: Exchange) -> None:
        """The server of an open call died: the caller hears of it, unless it is cut off."""
        if (exchange.host, exchange.place.name) in self.cut:
            return
        broken = Unreachable("broken", f"{exchange.place.name} went away")
        self._timeline.world.call_later(
            self._random.random() * BREAK_S, exchange.settle, None, broken
        )

    def _leave(self, exchange: Exchange) -> None:
        """The server notices that its caller is gone; only a claim stops for it."""
        for handler in exchange.handlers:
            server = exchange.place.server
            if exchange.leaves and server and exchange in server.exchanges:
                server.leave(handler)
