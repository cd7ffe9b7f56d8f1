"""The fleet's control port: faults and state of phones, as JSON lines over TCP."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from math import isfinite
from typing import Any

from procession.simulator.faults import Fault
from procession.simulator.phone import Phone

LINE_BYTES_MAX = 16 * 1024
CONNECTIONS_MAX = 64


class ControlRefused(Exception):
    """A control line could not be understood; the message says why."""


class Control:
    """Answers lines like {"phone": "phone_01", "fault": "hang", "seconds": 10}."""

    def __init__(self, phone: Callable[[str], Phone | None]) -> None:
        self._phone = phone
        self._server: asyncio.Server | None = None
        self._stopped = False
        self._open: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    async def start(self, host: str, port: int) -> int:
        """Listen; returns the port."""
        self._server = await asyncio.start_server(self._accept, host, port, limit=LINE_BYTES_MAX)
        bound: int = self._server.sockets[0].getsockname()[1]
        return bound

    def stop(self) -> None:
        """Stop listening and close every connection."""
        self._stopped = True
        if self._server is not None:
            self._server.close()
        for writer in self._open.values():
            writer.transport.abort()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._stopped or len(self._open) >= CONNECTIONS_MAX:
            writer.transport.abort()
            return
        task = asyncio.get_running_loop().create_task(self._serve(reader, writer))
        self._open[task] = writer
        task.add_done_callback(self._left)

    def _left(self, task: asyncio.Task[None]) -> None:
        self._open.pop(task).close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while line := await reader.readline():
                writer.write(json.dumps(self.answer(line)).encode() + b"\n")
                await writer.drain()
        except (ConnectionError, ValueError):
            return  # gone, or a line over the limit: nothing to tell anybody

    def answer(self, line: bytes) -> dict[str, Any]:
        """The answer to one line: `ok` true with what was asked, or false with `error`."""
        try:
            order = json.loads(line)
            if not isinstance(order, dict):
                raise ControlRefused("an order is an object")
            return {"ok": True, **self._obey(order)}
        except (ControlRefused, ValueError, RecursionError) as refused:
            return {"ok": False, "error": str(refused)}

    def _obey(self, order: dict[str, Any]) -> dict[str, Any]:
        phone = self._phone(str(order.get("phone")))
        if phone is None:
            raise ControlRefused(f"no phone {order.get('phone')}")
        if "fault" in order:
            seconds, ms = _number(order, "seconds"), _number(order, "ms")
            fault = Fault(order["fault"])
            phone.faults.set(fault, seconds, ms=None if ms is None else int(ms))
        elif order.get("clear"):
            name = order["clear"]
            phone.faults.clear(None if name is True else Fault(name))
        elif not order.get("state"):
            raise ControlRefused("an order has one of: fault, clear, state")
        return {"phone": phone.serial, **(state(phone) if order.get("state") else {})}


def _number(order: dict[str, Any], key: str) -> float | None:
    value = order.get(key)
    if value is None:
        return None
    if isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value):
        return value
    raise ControlRefused(f"{key} is a number")


def state(phone: Phone) -> dict[str, Any]:
    """What the simulator knows of a phone, whatever the phone itself would answer."""
    return {
        "address": phone.address,
        "faults": phone.faults.on(),
        "battery_percent": phone.battery_percent,
        "temperature_c": phone.temperature_c,
        "storage_free_kb": phone.storage_free_kb,
        "uptime_s": round(phone.uptime_s, 3),
        "app": phone.app.state(),
    }
