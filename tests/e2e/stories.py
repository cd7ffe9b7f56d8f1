"""Runs stories side by side, and beside the tests: most of their time is waiting for leases."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from callbacks import Receiver
from simulated import Simulated
from world import World

Story = Callable[[World], None]


class Told:
    """Stories under way, each in a world of its own."""

    def __init__(self, home: Path, simulated: Simulated, receiver: Receiver, at_once: int) -> None:
        self._home, self._simulated, self._receiver = home, simulated, receiver
        self._pool = ThreadPoolExecutor(at_once)
        self._endings: dict[Story, Future[None]] = {}

    def begin(self, stories: Iterable[Story]) -> None:
        """Each once, however often it is said."""
        for story in stories:
            if story in self._endings:
                continue
            self._endings[story] = self._pool.submit(self._tell, story)

    def __call__(self, story: Story) -> None:
        """Wait for its end; raises what it raised."""
        self._endings[story].result()

    def close(self) -> None:
        self._pool.shutdown(cancel_futures=True)

    def _tell(self, story: Story) -> None:
        home = self._home / story.__name__
        home.mkdir()
        with world_at(home, self._simulated, self._receiver) as world:
            story(world)


@contextmanager
def world_at(home: Path, simulated: Simulated, receiver: Receiver) -> Iterator[World]:
    """A world that ends with the context."""
    world = World(home, simulated, receiver)
    try:
        yield world
    finally:
        world.end()
