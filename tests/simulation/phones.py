"""adb below the seam where the agent asks it: which phones it shows and what they answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from msgspec import Struct

from procession.agent.adbserver import PhoneSilent

BATTERY = "level: 80\ntemperature: 300\n"
DISK = "Filesystem 1K-blocks Used Available Use% Mounted\n/data 9000000 1 8000000 1% /data\n"
ANSWERS = {
    "dumpsys battery": BATTERY,
    "df -k /data": DISK,
    "getprop sys.boot_completed": "1",
}
ANSWER_S = 0.005


class Phone(Struct, eq=False):
    """One phone as it is."""

    phone_id: str
    gone: bool = False
    hung: bool = False


class Cabinet:
    """The phones in reach of one agent's host."""

    def __init__(self, phones: list[Phone]) -> None:
        self.phones = phones
        self._changed = asyncio.Event()

    def changed(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    def shown(self) -> dict[str, str]:
        return {phone.phone_id: "device" for phone in self.phones if not phone.gone}

    async def until_changed(self) -> None:
        await self._changed.wait()


class SimulatedAdb:
    """An adb server; the `port` names its cabinet."""

    def __init__(self, port: int, adb_path: str) -> None:
        self._cabinet = CABINETS[port]

    async def start(self) -> None:
        """It always runs."""

    async def track(self) -> AsyncIterator[dict[str, str]]:
        while True:
            yield self._cabinet.shown()
            await self._cabinet.until_changed()

    async def devices(self) -> dict[str, str]:
        return self._cabinet.shown()

    async def connect(self, address: str) -> None:
        """No phone here is on the network of adb."""

    async def shell(self, serial: str, command: str, timeout_s: float) -> str:
        phone = next((one for one in self._cabinet.phones if one.phone_id == serial), None)
        if phone is None or phone.gone:
            raise PhoneSilent("device not found")
        if phone.hung:
            await asyncio.sleep(timeout_s)
            raise PhoneSilent("no answer in time")
        await asyncio.sleep(ANSWER_S)
        return ANSWERS.get(command, serial)


CABINETS: dict[int, Cabinet] = {}
