"""A fleet on a thread of its own, for callers that are not asynchronous."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from procession.simulator.fleet import Fleet


@contextmanager
def hosted(count: int, control_port: int = 0) -> Iterator[Fleet]:
    """A running fleet of `count` phones; it is stopped, and its thread joined, at the end.

    Faults may be switched and state read from the calling thread. Raises what Fleet.start raises.
    """
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="simulated phones", daemon=True)
    thread.start()
    fleet = Fleet()
    try:
        asyncio.run_coroutine_threadsafe(
            fleet.start(count, control_port=control_port), loop
        ).result()
        yield fleet
    finally:
        asyncio.run_coroutine_threadsafe(_end(fleet), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _end(fleet: Fleet) -> None:
    await fleet.stop()
    mine = asyncio.current_task()
    others = [task for task in asyncio.all_tasks() if task is not mine]
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
