"""A scripted server of the worker protocol over real HTTP, for tests of the agent."""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from typing import Any

import msgspec
from aiohttp import web
from free_port import free_port
from msgspec import Raw

from procession.protocol import (
    PATH,
    Assignment,
    Claim,
    Claimed,
    Drain,
    Finish,
    FinishAnswer,
    Finished,
    Heartbeat,
    Order,
    Orders,
    Register,
    Registered,
    Report,
    Result,
    RunOrder,
    RunReport,
)

TOKEN = "a-token-of-the-agent-that-must-stay-secret"
MESSAGES = {
    "register": Register,
    "claim": Claim,
    "heartbeat": Heartbeat,
    "report": Report,
    "finish": Finish,
    "drain": Drain,
}
Key = tuple[str, int]


class FakeServer:
    """Hands out `work`, gives `orders`, remembers everything said to it."""

    def __init__(self, lease_ms: int = 5_000) -> None:
        self.lease_ms = lease_ms
        self.heartbeat_ms = lease_ms // 5
        self.work: defaultdict[str, deque[Assignment]] = defaultdict(deque)
        self.orders: dict[Key, Order] = {}
        self.refusals: dict[Key, str] = {}
        self.statuses: dict[str, int] = {}
        self.said: list[tuple[str, Any]] = []
        self.results: list[Result] = []
        self.reports: list[RunReport] = []
        self.answers_lost = 0
        self.draining = False
        self.turned_away = 0
        self.silent = False
        self.silent_verbs: set[str] = set()
        self.port = free_port()
        self._news = asyncio.Condition()
        self._runner: web.AppRunner | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def __aenter__(self) -> FakeServer:
        await self.up()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.down()

    async def up(self) -> None:
        app = web.Application(client_max_size=4 * 1024 * 1024)
        app.router.add_post(PATH + "/{verb}", self._answer)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self.port, reuse_address=True).start()

    async def down(self) -> None:
        """End the process, as a caller sees it: connections break, new ones are refused."""
        if self._runner:
            await self._runner.cleanup()
        self._runner = None

    async def give(
        self, phone: str, capability: str, inputs: object = None, **changes: Any
    ) -> Assignment:
        """Put an item in a phone's queue."""
        number = sum(len(queue) for queue in self.work.values()) + len(self.results)
        values: dict[str, Any] = {
            "item_id": f"item-{phone}-{number}-{len(self.said)}",
            "process_id": "process-1",
            "attempt": 1,
            "phone_id": phone,
            "capability": capability,
            "inputs": Raw(msgspec.json.encode(inputs or {})),
            "lease_ms": self.lease_ms,
            "time_limit_ms": 60_000,
            "start_required": False,
        }
        assignment = Assignment(**(values | changes))
        self.work[phone].append(assignment)
        await self.tell()
        return assignment

    async def order(self, assignment: Assignment, order: Order) -> None:
        self.orders[(assignment.item_id, assignment.attempt)] = order
        await self.tell()

    async def tell(self) -> None:
        async with self._news:
            self._news.notify_all()

    async def until(self, seen: Any, timeout_s: float = 15.0) -> None:
        """Wait until `seen()` holds; it is asked again after everything that happens."""
        async with asyncio.timeout(timeout_s), self._news:
            await self._news.wait_for(seen)

    async def result_of(self, assignment: Assignment, timeout_s: float = 15.0) -> Result:
        key = (assignment.item_id, assignment.attempt)
        await self.until(lambda: any(_key(one) == key for one in self.results), timeout_s)
        return next(one for one in self.results if _key(one) == key)

    def heard(self, verb: str) -> list[Any]:
        return [message for said, message in self.said if said == verb]

    async def until_heard(self, verb: str, times: int) -> list[Any]:
        await self.until(lambda: len(self.heard(verb)) >= times)
        return self.heard(verb)

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        if request.headers.get("Authorization") != f"Bearer {TOKEN}":
            self.turned_away += 1
            await self.tell()
            return web.json_response({"code": "unauthorized"}, status=401)
        verb = request.match_info["verb"]
        message = msgspec.json.decode(await request.read(), type=MESSAGES[verb])
        self.said.append((verb, message))
        await self.tell()
        while self.silent or verb in self.silent_verbs:
            await asyncio.sleep(0.02)
        if verb in self.statuses:
            return web.json_response({"code": "scripted"}, status=self.statuses[verb])
        answer = await getattr(self, "_" + verb)(message)
        await self.tell()
        if verb == "finish" and self.answers_lost:
            self.answers_lost -= 1
            assert request.transport
            request.transport.abort()
        return web.Response(body=msgspec.json.encode(answer), content_type="application/json")

    async def _register(self, message: Register) -> Registered:
        return Registered(message.agent_id, self.lease_ms, self.heartbeat_ms, 0)

    async def _claim(self, message: Claim) -> Claimed:
        await self._patiently(
            lambda: self.draining or any(self.work[p] for p in message.phones), message.wait_ms
        )
        return Claimed([] if self.draining else self._next(message.phones))

    async def _heartbeat(self, message: Heartbeat) -> Orders:
        self.reports += message.runs
        seen = set(message.seen)
        await self._patiently(lambda: set(self._orders(message.runs)) - seen, message.wait_ms)
        return Orders(self._orders(message.runs))

    async def _report(self, message: Report) -> Orders:
        self.reports += message.runs
        return Orders(self._orders(message.runs))

    async def _finish(self, message: Finish) -> Finished:
        answers = []
        for result in message.results:
            code = self.refusals.get(_key(result), "")
            answers.append(FinishAnswer(*_key(result), accepted=not code, code=code))
            self.results.append(result)
        return Finished(answers, self._next(message.idle))

    async def _drain(self, message: Drain) -> Orders:
        self.draining = True
        await self.tell()
        return Orders([])

    def _next(self, phones: list[str]) -> list[Assignment]:
        return [self.work[phone].popleft() for phone in phones if self.work[phone]]

    def _orders(self, runs: list[RunReport]) -> list[RunOrder]:
        keys = [_key(run) for run in runs]
        return [RunOrder(*key, self.orders[key]) for key in keys if key in self.orders]

    async def _patiently(self, seen: Any, wait_ms: int) -> None:
        try:
            await self.until(seen, wait_ms / 1000)
        except TimeoutError:
            return


def _key(run: Any) -> Key:
    return run.item_id, run.attempt
