"""A run that no signal ends: the test plays the keeper of a process stuck in the kernel."""

from __future__ import annotations

import asyncio
import signal
import socket
from pathlib import Path

import pytest
from fake_server import FakeServer
from living import living_agent
from nest import until

from procession.agent import frames
from procession.agent.frames import Began, Ended, Start, Stop, ToKeeper
from procession.agent.nursery import Nursery, Seat


class Stuck:
    """A keeper whose run does not die until the test lets it."""

    def __init__(self) -> None:
        self.heard: list[ToKeeper] = []
        self._ours, theirs = socket.socketpair()
        self._theirs = theirs

    async def seat(self) -> Seat:
        reader, writer = await asyncio.open_unix_connection(sock=self._theirs)
        self._listening = asyncio.create_task(self._listen())
        return Seat(0, reader, writer)

    async def _listen(self) -> None:
        reader, self._writer = await asyncio.open_unix_connection(sock=self._ours)
        while True:
            size = frames.length(await reader.readexactly(4))
            self.heard.append(frames.to_keeper.decode(await reader.readexactly(size)))
            if isinstance(self.heard[-1], Start):
                self._writer.write(frames.frame(Began(1)))

    def stages(self) -> list[str]:
        return [one.stage for one in self.heard if isinstance(one, Stop)]

    async def let_die(self) -> None:
        killed = Ended(None, -signal.SIGKILL, True, False, 0, b"", False)
        self._writer.write(frames.frame(killed))
        await self._writer.drain()

    async def close(self) -> None:
        self._listening.cancel()
        self._writer.close()
        await self._writer.wait_closed()


def test_a_run_that_will_not_die_keeps_its_phone_and_its_heartbeats(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story() -> None:
        stuck = Stuck()

        async def hire(nursery: Nursery) -> Seat:
            seat = nursery._seats[0] = await stuck.seat()
            return seat

        monkeypatch.setattr(Nursery, "hire", hire)
        async with FakeServer(lease_ms=1_000) as server:
            async with living_agent(server, tmp_path / "state", lanes_without_phone=["p1"]):
                given = await server.give("p1", "echo")
                await until(lambda: bool(stuck.heard))
                await server.order(given, "hard")
                await until(lambda: stuck.stages() == ["term", "kill"])
                waiting = await server.give("p1", "echo")
                beats = len(server.reports)
                await server.until(lambda: len(server.reports) >= beats + 5)
                assert {one.item_id for one in server.reports[beats:]} == {given.item_id}
                assert waiting in server.work["p1"] and not server.results
                await stuck.let_die()
                result = await server.result_of(given)
                assert result.outcome == "cancelled" and result.forced
                server.orders[(waiting.item_id, 1)] = "hard"
                starts = lambda: [one for one in stuck.heard if isinstance(one, Start)]  # noqa: E731
                await until(lambda: len(starts()) == 2)
                await stuck.let_die()
                await server.result_of(waiting)
            await stuck.close()

    asyncio.run(story())
