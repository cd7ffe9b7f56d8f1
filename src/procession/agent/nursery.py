"""The agent's side of the zygote: starts it, hires keepers, learns which are gone."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import subprocess
import sys
from pathlib import Path

from procession.agent import frames, processes
from procession.agent.frames import FromKeeper, Hello
from procession.capabilities import profile
from procession.jobs.registry import MODULES

HIRE_WAIT_S = 20.0
STRAY_WAIT_S = 0.05
_PASSED_ON = ("PATH", "LC_ALL", "TZ", "PYTHONPATH", profile.VARIABLE, profile.FOLDER, MODULES)
PATH_USUAL = "/usr/local/bin:/usr/bin:/bin"

log = logging.getLogger(__name__)


class NotHired(Exception):
    """No keeper could be started."""


class Seat:
    """A keeper as the agent sees it: one socket, one run at a time."""

    def __init__(
        self, pid: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.pid = pid
        self._reader = reader
        self._writer = writer

    def send(self, message: frames.ToKeeper) -> None:
        if not self._writer.is_closing():
            self._writer.write(frames.frame(message))

    async def receive(self) -> FromKeeper:
        """The keeper's next message; raises EOFError or OSError when the keeper is gone."""
        size = frames.length(await self._reader.readexactly(4))
        message: FromKeeper = frames.from_keeper.decode(await self._reader.readexactly(size))
        return message

    def close(self) -> None:
        """Let the keeper go: it kills what runs and ends."""
        self._writer.close()


class Nursery:
    """Starts the zygote, and again whenever it is gone; `mark` is in all its descendants."""

    def __init__(self, runs_dir: Path, mark: str) -> None:
        self._runs_dir = runs_dir
        self._mark = mark
        self._control: socket.socket | None = None
        self._zygote: subprocess.Popen[bytes] | None = None
        self._listening: asyncio.Task[None] | None = None
        self._swept: dict[int, asyncio.Event] = {}
        self._seats: dict[int, Seat] = {}

    @property
    def zygote_pid(self) -> int | None:
        return self._zygote.pid if self._zygote else None

    async def hire(self) -> Seat:
        """A fresh keeper, of a fresh zygote where the former has just died. Raises NotHired."""
        try:
            try:
                return await self._hire_from(self._open())
            except (ConnectionError, EOFError):
                return await self._hire_from(self._open())
        except (OSError, EOFError, TimeoutError) as reason:
            raise NotHired(repr(reason)) from reason

    async def _hire_from(self, control: socket.socket) -> Seat:
        ours, theirs = socket.socketpair()
        try:
            with theirs:
                socket.send_fds(control, [b"k"], [theirs.fileno()])
            ours.setblocking(False)
            return await asyncio.wait_for(self._greeted(ours), HIRE_WAIT_S)
        except (OSError, EOFError, TimeoutError) as reason:
            ours.close()
            if isinstance(reason, (ConnectionError, EOFError)):
                self._leave(control)
            raise

    def _leave(self, control: socket.socket) -> None:
        """That zygote is gone; the next one to be asked is another."""
        if self._control is control:
            self._control = None

    async def _greeted(self, ours: socket.socket) -> Seat:
        reader, writer = await asyncio.open_unix_connection(sock=ours)
        seat = Seat(0, reader, writer)
        hello = await seat.receive()
        assert isinstance(hello, Hello)
        seat.pid = hello.pid
        self._swept[hello.pid] = asyncio.Event()
        self._seats[hello.pid] = seat
        return seat

    async def until_swept(self, seat: Seat) -> None:
        """Return once nothing is left of a keeper that is gone, and of what it ran."""
        seat.close()
        self._seats.pop(seat.pid, None)
        await self._swept[seat.pid].wait()
        self._swept.pop(seat.pid, None)

    async def close(self) -> None:
        """End the zygote with everything below it."""
        for seat in self._seats.values():
            seat.close()
        if self._listening:
            self._listening.cancel()
        if self._control:
            self._control.close()
        if self._zygote:
            await asyncio.to_thread(self._zygote.wait)

    def _open(self) -> socket.socket:
        if self._control is not None:
            return self._control
        self._control, theirs = socket.socketpair()
        command = [sys.executable, "-P", "-m", "procession.agent.zygote"]
        with theirs:
            self._zygote = subprocess.Popen(
                [*command, str(self._runs_dir), str(theirs.fileno())],
                env=zygote_environment(self._mark),
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                cwd=self._runs_dir,
                start_new_session=True,
            )
        self._control.setblocking(False)
        self._listening = asyncio.create_task(self._listen(self._control, self._zygote))
        return self._control

    async def _listen(self, control: socket.socket, zygote: subprocess.Popen[bytes]) -> None:
        """Hear from the zygote which keepers are gone for good, until it is gone itself."""
        heard = b""
        loop = asyncio.get_running_loop()
        while data := await _receive(loop, control):
            *lines, heard = (heard + data).split(b"\n")
            for line in lines:
                self._gone(int(line[1:]))
        control.close()
        self._leave(control)
        log.warning("zygote %d is gone, exit %s", zygote.pid, await asyncio.to_thread(zygote.wait))
        await self._mop_up()

    def _gone(self, pid: int) -> None:
        swept = self._swept.get(pid)
        if swept:
            swept.set()

    async def _mop_up(self) -> None:
        """Without a zygote: keepers that live go on; what no keeper holds is killed here."""
        widowed = set(self._swept)
        while widowed & self._swept.keys():
            living = {pid for pid in self._seats if processes.alive(pid)}
            held = living | processes.descendants(living)
            strays = processes.marked(self._mark) - held - self._zygote_family()
            for pid in strays:
                processes.send_signal(pid, 9)
            if not strays:
                for pid in widowed - living:
                    self._gone(pid)
            await asyncio.sleep(STRAY_WAIT_S if strays else 1.0)

    def _zygote_family(self) -> set[int]:
        if self._control is None or self._zygote is None:
            return set()
        return {self._zygote.pid} | processes.descendants([self._zygote.pid])


async def _receive(loop: asyncio.AbstractEventLoop, control: socket.socket) -> bytes:
    try:
        return await loop.sock_recv(control, 4096)
    except OSError:
        return b""


def zygote_environment(mark: str) -> dict[str, str]:
    """An allow list: the token is nowhere in it."""
    environment = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    environment.setdefault("PATH", PATH_USUAL)
    return environment | {"LANG": "C.UTF-8", "PROCESSION_LIFE": mark, "HOME": "/nonexistent"}
