"""Several server processes on one machine behind one port: started, watched, started again.

Each has a listening socket of its own at the shared port (SO_REUSEPORT), so the kernel spreads
connections over all by chance, evenly; from one socket shared by all, the first to wake takes a
whole burst. The sockets are opened here and stay open here: what is connected to a worker that
has just died waits for the next one.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Callable
from typing import Literal

import msgspec
import structlog
from msgspec import Struct

from procession.server import address_of, listen, prepare
from procession.settings import Settings

LIFE_S_STEADY = 60.0
"""A worker that lived for so long has not failed at starting."""
PAUSE_S_FIRST = 0.1
PAUSE_S_MAX = 10.0
PAUSE_S_QUEUED = 1.0
"""For longer no connection waits for a worker that is away: the others get them."""
END_S_SPARE = 4.0
READY = b"ready\n"
GIVEN_UP = 78
"""How a worker ends that no other worker could replace: the database refuses this program."""
MODULE = "procession.commands.serve_worker"

_log = structlog.get_logger(__name__)


class Order(Struct, frozen=True):
    """What a worker is told, as its first line; the pipe then stays open as long as we live."""

    settings: Settings
    sockets: list[int]
    log_format: Literal["auto", "json", "console"]


class WorkersFailed(Exception):
    """A worker could not serve; its log says why."""


class Workers:
    """All workers of one machine, until told to stop."""

    def __init__(self, settings: Settings, log_format: Literal["auto", "json", "console"]) -> None:
        self.settings = settings
        self.log_format = log_format
        self.stopping = asyncio.Event()
        with listen(settings) as probe:
            # Held by anybody else the port is refused here; shared ones would not notice.
            self.port = probe.getsockname()[1]
            self.address = address_of(settings, probe)
        self._places = [Place(self, number) for number in range(settings.workers)]

    async def run(self, ready: Callable[[], None]) -> None:
        """Until `stop`; `ready` is called once all answer. Raises WorkersFailed."""
        keeping = [asyncio.create_task(place.keep()) for place in self._places]
        telling = asyncio.create_task(self._tell(ready))
        try:
            await asyncio.gather(*keeping)
        finally:
            telling.cancel()
            self.stopping.set()
            await asyncio.gather(*keeping, telling, return_exceptions=True)

    def stop(self) -> None:
        """End all in order; a second call has them wait for nothing."""
        if self.stopping.is_set():
            for place in self._places:
                place.send(signal.SIGTERM)
        self.stopping.set()

    async def _tell(self, ready: Callable[[], None]) -> None:
        for place in self._places:
            await place.answers.wait()
        ready()


class Place:
    """One worker, over all its lives."""

    def __init__(self, workers: Workers, number: int) -> None:
        self._workers = workers
        self._number = number
        self._sockets: list[socket.socket] = []
        self._process: Process | None = None
        self.answers = asyncio.Event()

    async def keep(self) -> None:
        """Begin a life after the other, ever more slowly while they are short."""
        pause_s = PAUSE_S_FIRST
        stopping = self._workers.stopping
        try:
            while not stopping.is_set():
                lived_s, status = await self._live()
                if stopping.is_set():
                    return
                if status == GIVEN_UP or not self.answers.is_set():
                    raise WorkersFailed(WorkersFailed.__doc__)
                pause_s = PAUSE_S_FIRST if lived_s > LIFE_S_STEADY else pause_s
                _log.warning("worker_ended", worker=self._number, status=status, again_s=pause_s)
                if pause_s > PAUSE_S_QUEUED:
                    self._close()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(pause_s):
                        await stopping.wait()
                pause_s = min(2 * pause_s, PAUSE_S_MAX)
        finally:
            self._close()

    def send(self, number: signal.Signals) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.send_signal(number)

    async def _live(self) -> tuple[float, int]:
        """One life: how long it was (s), and its exit status."""
        loop = asyncio.get_running_loop()
        begun_s = loop.time()
        self._process = process = await self._start()
        ended = asyncio.create_task(self._ended(process))
        stopped = asyncio.create_task(self._workers.stopping.wait())
        await asyncio.wait({ended, stopped}, return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
        if not ended.done():
            self.send(signal.SIGTERM)
            await asyncio.wait(
                {ended}, timeout=self._workers.settings.drain_ms / 1000 + END_S_SPARE
            )
            self.send(signal.SIGKILL)
        return loop.time() - begun_s, await ended

    async def _ended(self, process: Process) -> int:
        assert process.stdout is not None
        if await process.stdout.readline() == READY:
            self.answers.set()
        return await process.wait()

    async def _start(self) -> Process:
        self._sockets = self._sockets or self._open()
        numbers = [one.fileno() for one in self._sockets]
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", MODULE),
            stdin=PIPE,
            stdout=PIPE,
            pass_fds=numbers,
            start_new_session=True,
        )
        order = Order(self._workers.settings, numbers, self._workers.log_format)
        assert process.stdin is not None
        process.stdin.write(msgspec.json.encode(order) + b"\n")
        return process

    def _open(self) -> list[socket.socket]:
        settings = self._workers.settings
        own = [settings.worker_port + self._number] if settings.worker_port else []
        shared = listen(settings, self._workers.port, shared=True)
        return [shared, *(listen(settings, port) for port in own)]

    def _close(self) -> None:
        for one in self._sockets:
            one.close()
        self._sockets = []


async def serve_many(
    settings: Settings,
    log_format: Literal["auto", "json", "console"],
    ready: Callable[[str, str | None], None],
) -> None:
    """Serve until SIGTERM or SIGINT; `ready` is told the address and a token made just now.

    Raises SettingInvalid, DatabaseRefused and WorkersFailed.
    """
    workers = Workers(settings, log_format)
    token = await prepare(settings)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, workers.stop)
    await workers.run(lambda: ready(workers.address, token))
