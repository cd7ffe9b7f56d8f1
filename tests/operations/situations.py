"""Processes brought into every state there is, for tables over states."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any
from unittest.mock import patch

from settable_engine import LEASE_MS, Site, settable

from procession.capabilities.echo import Echo
from procession.core.lifecycle import GRACE_MS
from procession.core.process import Process
from procession.core.states import State
from procession.targets import Target

AGENT = "a"
PHONE = "p"


def on(act: Callable[[Site], Awaitable[None]], **settings: Any) -> None:
    """Run a test's act on a site of its own, with agent `a` and its phone `p`."""

    async def run() -> None:
        async with settable(**settings) as site:
            await site.register(AGENT, PHONE)
            await act(site)

    asyncio.run(run())


async def queued(site: Site) -> Process:
    return await site.process((await site.submit()).process)


async def scheduled(site: Site) -> Process:
    return (await site.submit(not_before_ms=site.clock.now_ms + 3_600_000)).process


async def running(site: Site) -> Process:
    process = await queued(site)
    await site.run_of(process, AGENT, PHONE)
    return await site.process(process)


async def retrying(site: Site) -> Process:
    process = await queued(site)
    run = await site.run_of(process, AGENT, PHONE)
    await site.finish(AGENT, run, "failed", retry=True)
    return await site.process(process)


async def cancelling(site: Site) -> Process:
    process = await running(site)
    return (await site.cancel(process, "soft")).process


async def completed(site: Site) -> Process:
    return await ended(site, "completed")


async def failed(site: Site) -> Process:
    return await ended(site, "failed")


async def cancelled(site: Site) -> Process:
    return (await site.cancel(await queued(site))).process


async def ended(site: Site, outcome: str) -> Process:
    process = await queued(site)
    run = await site.run_of(process, AGENT, PHONE)
    await site.finish(AGENT, run, outcome)
    return await site.process(process)


async def partial(site: Site) -> Process:
    target = Target("group", phone_ids=(PHONE, "q"))
    await site.register("b", "q")
    process = (await site.submit(target)).process
    await site.finish(AGENT, await site.run_of(process, AGENT, PHONE), "completed")
    await site.finish("b", await site.run_of(process, "b", "q"), "failed")
    return await site.process(process)


async def waiting(site: Site) -> Process:
    """A run that had started was lost, and its capability wants a person to decide."""
    with patch.object(Echo, "on_interrupted", "ask_human"):
        process = await queued(site)
    await site.run_of(process, AGENT, PHONE)
    await site.pass_ms(LEASE_MS + GRACE_MS)
    return await site.process(process)


SITUATIONS: dict[State, Callable[[Site], Awaitable[Process]]] = {
    State.QUEUED: queued,
    State.RUNNING: running,
    State.RETRYING: retrying,
    State.WAITING: waiting,
    State.CANCELLING: cancelling,
    State.COMPLETED: completed,
    State.PARTIAL: partial,
    State.FAILED: failed,
    State.CANCELLED: cancelled,
}
"""All but accepted, which never outlasts the transaction it begins in."""
