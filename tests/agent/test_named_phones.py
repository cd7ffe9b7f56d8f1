"""Network phones an operator names are connected to by the agent itself."""

from __future__ import annotations

import asyncio

from nest import until
from software_phones import Bench, bench

from procession.agent.phones import Phones
from procession.agent.settings import AgentSettings


def called_by_name(running: bool) -> list[str]:
    """The phones an agent has that was told one address; `running`: whether adb's server is."""

    async def whole() -> list[str]:
        async with bench(2) as one:
            await one.adb(*(["disconnect"] if running else ["kill-server"]))
            chosen = AgentSettings(
                server="http://127.0.0.1:1",
                token="t",
                adb_port=one.adb_port,
                phones=[one.phone.address],
            )
            return await phones_of(chosen, one)

    return asyncio.run(whole())


async def phones_of(settings: AgentSettings, one: Bench) -> list[str]:
    phones = Phones(settings, lambda: None)
    watch = asyncio.create_task(phones.watch())
    try:
        await until(lambda: phones.ids() == [one.phone.serial], 10)
        return phones.ids()
    finally:
        watch.cancel()
        await asyncio.gather(watch, return_exceptions=True)


def test_a_phone_named_by_its_address_is_connected_to() -> None:
    assert called_by_name(running=True) == ["phone_01"]


def test_a_named_phone_is_connected_to_through_an_adb_server_just_started() -> None:
    assert called_by_name(running=False) == ["phone_01"]
