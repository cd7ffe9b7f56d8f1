"""Many seeds over several processes, each process ended without tidying up its worlds."""

from __future__ import annotations

import gc
import os
import select
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence

import msgspec

from simulation.plan import Plan, plan_of
from simulation.world import Outcome, live

SEEDS_EACH = 20
READ_BYTES = 1 << 20

Prepare = Callable[[], None]
Planning = Callable[[int], Plan]


def run_seeds(
    seeds: Sequence[int],
    jobs: int,
    prepare: Prepare = lambda: None,
    planned: Planning = plan_of,
) -> Iterator[Outcome]:
    """The outcome of every seed, as they come; `prepare` is called in each process first."""
    waiting = [seeds[start : start + SEEDS_EACH] for start in range(0, len(seeds), SEEDS_EACH)]
    waiting.reverse()
    heard: dict[int, bytearray] = {}
    children: dict[int, int] = {}
    while waiting or heard:
        while waiting and len(heard) < jobs:
            pid, fd = _fork(waiting.pop(), prepare, planned)
            heard[fd], children[fd] = bytearray(), pid
        for fd in select.select(list(heard), [], [])[0]:
            data = os.read(fd, READ_BYTES)
            heard[fd] += data
            *lines, rest = heard[fd].split(b"\n")
            heard[fd] = bytearray(rest)
            for line in lines:
                yield msgspec.json.decode(bytes(line), type=Outcome)
            if not data:
                del heard[fd]
                os.close(fd)
                _, status = os.waitpid(children.pop(fd), 0)
                if status:
                    raise ChildProcessError(f"a process of the simulation ended with {status}")


def _fork(seeds: Sequence[int], prepare: Prepare, planned: Planning) -> tuple[int, int]:
    ours, theirs = os.pipe()
    pid = os.fork()
    if pid:
        os.close(theirs)
        return pid, ours
    try:
        os.close(ours)
        # Nothing is collected: a task that is left alone would come to life again.
        gc.disable()
        prepare()
        with os.fdopen(theirs, "wb") as out:
            for seed in seeds:
                out.write(msgspec.json.encode(live(planned(seed))) + b"\n")
                out.flush()
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(1)
    os._exit(0)
