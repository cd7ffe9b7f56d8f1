"""Programs that see another time than this machine's, through libfaketime."""

from __future__ import annotations

import glob
import os
import random
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from pathlib import Path

import pytest
from deadline import until
from installation import Installation
from load import Load

LIBRARY = "/usr/lib/*/faketime/libfaketime.so.1"
WHY_NOT = "Clocks that are off need libfaketime (Debian: libfaketime)."
NEAR_S = 60
OFF_S = [-3_600, 0, 3_600]


def require_library() -> None:
    """Skip, with the reason; but where everything must be tested (CI=true) fail."""
    if glob.glob(LIBRARY):
        return
    if os.environ.get("CI") == "true":
        pytest.fail(WHY_NOT)
    pytest.skip(WHY_NOT)


def clock_off(seconds: int) -> Mapping[str, str]:
    """The environment of a program whose wall clock is ahead by so much; time itself passes."""
    (library, *_) = glob.glob(LIBRARY)
    return {"LD_PRELOAD": library, "FAKETIME": f"{seconds:+d}s", "DONT_FAKE_MONOTONIC": "1"}


def other_clock_for_server(place: Installation, load: Load, chance: random.Random) -> None:
    """A server is killed and comes back with its clock off, or right again."""
    server = chance.choice(place.servers)
    server.program.kill()
    off_s = chance.choice(OFF_S)
    server.environment = clock_off(off_s)
    server.start()
    seen_s = seconds_ahead(place, place.servers.index(server))
    assert abs(seen_s - off_s) < NEAR_S, f"a clock {seen_s:.0f} s off, not {off_s}"


def other_clock_for_agent(place: Installation, load: Load, chance: random.Random) -> None:
    agent = chance.choice(place.agents)
    agent.program.kill()
    agent.environment = clock_off(chance.choice(OFF_S))
    agent.start()
    until(lambda: "libfaketime" in libraries(agent.program.pid), 20, "an agent with a wrong clock")


def seconds_ahead(place: Installation, number: int) -> float:
    """How far a server's own clock is ahead, as the dates of its answers tell."""
    told = place.caller(number).call("GET", "/phones").headers["date"]
    return parsedate_to_datetime(told).timestamp() - time.time()


def libraries(pid: int) -> str:
    return Path(f"/proc/{pid}/maps").read_text()
