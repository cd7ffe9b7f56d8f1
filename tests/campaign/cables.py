"""Networks between hosts on this machine, whose cables can be pulled: only root may lay them.

A host is a network namespace, a network a bridge, a cable a pair of veth interfaces. A pulled
cable is one the bridge knows no more: both ends stay up, and what is sent vanishes.
"""

from __future__ import annotations

import os
import random
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

HERE = ""
"""The network namespace of the tests themselves."""
NETWORK = "198.18.0.0/15"
"""The addresses that RFC 2544 sets aside for tests."""
WHY_NOT = "Partitions need root, to make network namespaces, and the program `ip` (iproute2)."


class Cable:
    """One host's connection to a network."""

    def __init__(self, network: str, end: str) -> None:
        self._network, self._end = network, end

    def pull(self) -> None:
        ip("link", "set", self._end, "nomaster")

    def plug(self) -> None:
        ip("link", "set", self._end, "master", self._network)


class Network:
    """Up to 254 hosts; every one sees every other, by `address(number)`."""

    def __init__(self, name: str, third: int, ending: ExitStack) -> None:
        self.name, self._third, self._ending = name, third, ending

    def address(self, number: int) -> str:
        return f"198.18.{self._third}.{number}"

    def connect(self, host: str, number: int) -> Cable:
        """Lay a cable to a host, which gets the address of this number."""
        end, far = f"{self.name}p{number}", f"{self.name}h{number}"
        ip("link", "add", end, "type", "veth", "peer", "name", far)
        self._ending.callback(ip, "link", "del", end)
        if host != HERE:
            ip("link", "set", far, "netns", host)
        inside = ["-n", host] if host != HERE else []
        ip(*inside, "address", "add", f"{self.address(number)}/24", "dev", far)
        ip(*inside, "link", "set", far, "up")
        ip("link", "set", end, "master", self.name, "up")
        return Cable(self.name, end)


class Cabinet:
    """Makes hosts and networks, and takes all of them away at its end."""

    def __init__(self, ending: ExitStack) -> None:
        self._ending = ending
        self._mark = f"pf{os.getpid() % 100_000}"
        self._made = 0
        self._numbers = set(range(256))

    def host(self, name: str) -> str:
        """A host with nothing but its own loopback; the name of its namespace."""
        namespace = f"{self._mark}-{name}"
        ip("netns", "add", namespace)
        self._ending.callback(ip, "netns", "del", namespace)
        ip("-n", namespace, "link", "set", "lo", "up")
        return namespace

    def network(self) -> Network:
        """One without hosts, on addresses that nobody here has."""
        name, self._made = f"{self._mark}{'abcdefgh'[self._made]}", self._made + 1
        ip("link", "add", name, "type", "bridge")
        self._ending.callback(ip, "link", "del", name)
        ip("link", "set", name, "up")
        taken = ip("-o", "address", "show")
        self._numbers -= {number for number in self._numbers if f" 198.18.{number}." in taken}
        number = random.choice(sorted(self._numbers))
        self._numbers.discard(number)
        return Network(name, number, self._ending)


@contextmanager
def cabinet() -> Iterator[Cabinet]:
    """For root; what it made goes with the context."""
    with ExitStack() as ending:
        yield Cabinet(ending)


def require_root(why: str) -> None:
    """Skip, with the reason; but where everything must be tested (CI=true) fail."""
    if os.getuid() == 0:
        return
    if os.environ.get("CI") == "true":
        pytest.fail(why)
    pytest.skip(why)


def ip(*words: str) -> str:
    """Run iproute2's program. Raises CalledProcessError."""
    done = subprocess.run(["ip", *words], check=False, capture_output=True, text=True)
    assert done.returncode == 0, f"ip {' '.join(words)}: {done.stderr}"
    return done.stdout
