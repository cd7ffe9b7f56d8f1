"""Why work waits: said of the fleet as it was a moment ago at most."""

from __future__ import annotations

import asyncio

from settable_engine import START_MS, Site, settable

from procession import operations
from procession.operations import AGENT_SILENT_MS, LIVES_MS


async def reason_of(site: Site) -> str:
    process = (await site.submit()).process
    reason = (await operations.sight(site.engine, process)).wait_reason
    assert reason is not None
    return reason.reason


def test_an_agent_that_comes_and_goes_is_noticed_within_a_moment() -> None:
    async def run() -> None:
        async with settable() as site:
            assert await reason_of(site) == "no_agent"
            await site.register("a", "p")
            await site.pass_ms(LIVES_MS)
            assert await reason_of(site) == "phone_busy"
            await site.pass_ms(AGENT_SILENT_MS + 1)
            assert await reason_of(site) == "no_agent"

    asyncio.run(run())


def test_a_clock_set_back_makes_nothing_be_believed_for_longer() -> None:
    async def run() -> None:
        async with settable() as site:
            assert await reason_of(site) == "no_agent"
            site.clock.now_ms = START_MS - 3_600_000
            await site.register("a", "p")
            assert await reason_of(site) == "phone_busy"

    asyncio.run(run())
