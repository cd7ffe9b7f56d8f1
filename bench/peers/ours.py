"""The ledger alone in one process, over PostgreSQL: operations, agents' verbs, turns; no HTTP.

`python -m bench.peers.ours <column> <options as JSON>` prints the result as JSON.
"""

from __future__ import annotations

import asyncio
import cProfile
import json
import os
import pstats
import sys
import time
from collections.abc import AsyncGenerator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

import uvloop
from msgspec import Raw

from bench.lanes import Countdown
from procession import operations, reporting, working
from procession.caller import Caller
from procession.core.errors import Overloaded
from procession.engine import Engine
from procession.opening import open_engine
from procession.operations import SubmitRequest
from procession.protocol import (
    LANES_MAX,
    PROTOCOL_VERSION,
    Assignment,
    Claim,
    Finish,
    PhoneReport,
    Register,
    Result,
)
from procession.settings import Settings
from procession.store.turn import Turn
from procession.targets import Target

AGENT = "bench"
CALLER = Caller("bench", 1, "default", frozenset())
INPUTS = Raw(b'{"text":"' + b"x" * 500 + b'"}')
DONE = Raw(b'{"done":true}')
CALLERS = 512
LATENCY_LANES = 8
RATE_PER_S = 50
CLAIM_MS = 1_000
HALVES = 2
"""Calls under way at once: while one half's turn is saved, the other half's is decided."""

ANYWHERE = Target("queue")

Options = dict[str, Any]


@asynccontextmanager
async def opened(options: Options) -> AsyncGenerator[Engine, None]:
    async with open_engine(Settings(database=options["address"])) as engine:
        yield engine


async def one(options: Options) -> dict[str, Any]:
    """One caller, one submission after the other."""
    async with opened(options) as engine:
        for number in range(20):
            await submit(engine, f"warm-{number}")
        count, began = 0, time.perf_counter()
        while (took := time.perf_counter() - began) < options["seconds"]:
            await submit(engine, f"one-{count}")
            count += 1
    return {"per_s": count / took}


async def bulk(options: Options) -> dict[str, Any]:
    """As many requests, each a process of its own, from many callers at once."""
    async with opened(options) as engine:
        await submit_many(engine, "warm", [""] * CALLERS)
        began = time.perf_counter()
        await submit_many(engine, "bulk", [""] * options["count"])
        took = time.perf_counter() - began
    return {"per_s": options["count"] / took}


async def callers(options: Options) -> dict[str, Any]:
    """So many callers, each one submission after the other."""
    async with opened(options) as engine:
        await submit_many(engine, "warm", [""] * CALLERS)
        began = time.perf_counter()
        until = began + options["seconds"]

        async def caller(name: int) -> int:
            count = 0
            while time.perf_counter() < until:
                await submit(engine, f"{name}-{count}")
                count += 1
            return count

        counts = await asyncio.gather(*(caller(name) for name in range(options["callers"])))
        took = time.perf_counter() - began
    return {"per_s": sum(counts) / took}


async def fan_out(options: Options) -> dict[str, Any]:
    """One request of as many items."""
    async with opened(options) as engine:
        accounts = await create_accounts(engine, [""] * options["count"])
        await submit_many(engine, "warm", [""] * CALLERS)
        began = time.perf_counter()
        await submit(engine, "all", Target("group", account_ids=tuple(accounts)))
        took = time.perf_counter() - began
    return {"per_s": options["count"] / took}


async def drain(options: Options) -> dict[str, Any]:
    """A backlog ended by one agent; with `phones` over these, each item for its own phone."""
    phones = options.get("phones", [])
    lanes = phones or [f"lane{number:03d}" for number in range(LANES_MAX)]
    stuck = options.get("stuck", 0)
    busy, free = (lanes[:2], lanes[2:]) if stuck else ([], lanes)
    async with opened(options) as engine:
        await register(engine, lanes)
        if phones:
            await create_accounts(engine, phones, phones)
        await submit_many(engine, "busy", busy)
        if busy:
            assert len(await working.claim(engine, CALLER, Claim(AGENT, busy, 0))) == len(busy)
        await submit_many(engine, "stuck", [busy[n % 2] for n in range(stuck)])
        wanted = [free[n % len(free)] if phones else "" for n in range(options["count"])]
        await submit_many(engine, "drain", wanted)
        left = Countdown(options["count"])
        began = time.perf_counter()
        groups = [lanes[start::HALVES] for start in range(HALVES)]
        await asyncio.gather(*(work(engine, group, left) for group in groups))
        took = left.ended_s - began
    return {"per_s": options["count"] / took, "finished": options["count"], "overlaps": 0}


async def latency(options: Options) -> dict[str, Any]:
    """From just before the submission to the moment its assignment is there."""
    begun_s: dict[str, float] = {}
    sent_s: dict[str, float] = {}
    async with opened(options) as engine:
        await register(engine, lanes := [f"lane{number}" for number in range(LATENCY_LANES)])
        claiming = asyncio.create_task(claims(engine, lanes, begun_s, options["count"]))
        start = time.perf_counter()
        for number in range(options["count"]):
            await asyncio.sleep(max(0.0, start + number / RATE_PER_S - time.perf_counter()))
            now = time.perf_counter()
            sent_s[await submit(engine, f"latency-{number}")] = now
        await claiming
    took = sorted((begun_s[process_id] - at) * 1e3 for process_id, at in sent_s.items())
    return {"p50_ms": took[len(took) // 2], "p99_ms": took[int(len(took) * 0.99)]}


async def claims(engine: Engine, lanes: list[str], begun_s: dict[str, float], count: int) -> None:
    """One claim for all idle lanes under way, as an agent has; each end is told meanwhile."""
    idle = set(lanes)
    ending: set[asyncio.Task[None]] = set()

    async def end(item: Assignment) -> None:
        result = Result(item.item_id, item.attempt, "completed", result=DONE)
        await reporting.finish(engine, CALLER, Finish(AGENT, [result]))
        idle.add(item.phone_id)

    while len(begun_s) < count:
        items = await working.claim(engine, CALLER, Claim(AGENT, sorted(idle), CLAIM_MS))
        now = time.perf_counter()
        begun_s.update((item.process_id, now) for item in items)
        idle -= {item.phone_id for item in items}
        ending |= {asyncio.create_task(end(item)) for item in items}
    await asyncio.gather(*ending)


async def work(engine: Engine, phones: list[str], left: Countdown) -> None:
    """Claim, end at once, and claim again with each end, until nothing is left."""
    items: list[Assignment] = []
    while left.count > 0:
        if not items:
            # As an agent asks again when a loaded database has kept it waiting for too long.
            with suppress(Overloaded):
                items = await working.claim(engine, CALLER, Claim(AGENT, phones, CLAIM_MS))
            continue
        results = [Result(item.item_id, item.attempt, "completed", result=DONE) for item in items]
        finished = await reporting.finish(engine, CALLER, Finish(AGENT, results, phones))
        assert all(answer.accepted for answer in finished.answers)
        left.less(len(items))
        items = finished.items


async def register(engine: Engine, phones: Sequence[str]) -> None:
    reports = [PhoneReport(phone_id=phone, serial=phone) for phone in phones]
    message = Register(AGENT, PROTOCOL_VERSION, "bench", ["echo"], reports)
    await working.register(engine, CALLER, message)


async def create_accounts(
    engine: Engine, names: Sequence[str], phones: Sequence[str] = ()
) -> list[str]:
    """Accounts, each with the phone of its name where phones are given."""
    ids = [name or f"account{number:05d}" for number, name in enumerate(names)]
    rows = [(1, each, each if phones else None, None, "[]", 1, 0) for each in ids]

    async def run(turn: Turn) -> None:
        await turn.store.connection.execute_many("insert_account", rows)

    await engine.ledger.errand(run)
    return ids


async def submit(engine: Engine, name: str, target: Target = ANYWHERE) -> str:
    """Submit one request; its process_id."""
    request = SubmitRequest(
        capability="echo",
        mode="manual",
        target=target,
        request_id=name,
        system="bench",
        inputs=INPUTS,
        requested_by=Raw(b'{"system":"bench"}'),
    )
    return (await operations.submit(engine, CALLER, request)).process.process_id


async def submit_many(engine: Engine, prefix: str, accounts: Sequence[str]) -> None:
    """A request for each account (without a name: for any phone), from many callers at once."""
    numbers = iter(range(len(accounts)))

    async def caller() -> None:
        for number in numbers:
            target = Target("queue", account_id=accounts[number] or None)
            await submit(engine, f"{prefix}-{number}", target)

    await asyncio.gather(*(caller() for _ in range(min(CALLERS, len(accounts)))))


COLUMNS: dict[str, Callable[[Options], Coroutine[Any, Any, dict[str, Any]]]] = {
    "one": one,
    "bulk": bulk,
    "callers": callers,
    "fan_out": fan_out,
    "drain": drain,
    "latency": latency,
}


def main() -> None:
    column, text = sys.argv[1:]
    profile = cProfile.Profile() if "BENCH_PROFILE" in os.environ else None
    if profile:
        profile.enable()
    print(json.dumps(uvloop.run(COLUMNS[column](json.loads(text)))))
    if profile:
        profile.disable()
        pstats.Stats(profile, stream=sys.stderr).sort_stats("tottime").print_stats(30)


if __name__ == "__main__":
    main()
