"""Simulated phones behind an adb server of the tests' own, as a program of its own."""

from __future__ import annotations

import json
import queue
import socket
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import adbutils
from free_port import free_port
from programs import PROCESSION, Program, clean_environment

FREE_S_MAX = 60.0
PHONES = 31
STORY_PHONES = [f"phone_{number:02}" for number in range(8, PHONES + 1)]
"""Phones 01 to 07 are the calm installation's."""


class Simulated:
    """`addresses`: phone id to its adb serial."""

    def __init__(self, home: Path, phones: int = PHONES) -> None:
        self.adb_port = free_port()
        words = ["simulate", "--phones", str(phones), "--adb-port", str(self.adb_port), "--json"]
        self._program = Program("simulator", [PROCESSION, *words], home)
        said = json.loads(self._program.first_line(60))
        self.addresses = {phone["serial"]: phone["address"] for phone in said["phones"]}
        self._control_port: int = said["control_port"]
        self._free: queue.Queue[str] = queue.Queue()
        self.give_back(phone for phone in STORY_PHONES if phone in self.addresses)

    def take(self, count: int) -> list[str]:
        """Phones that nobody else has; waits for them."""
        return [self._free.get(timeout=FREE_S_MAX) for _ in range(count)]

    def give_back(self, phone_ids: Iterable[str]) -> None:
        """They are made well and free for others."""
        for phone_id in phone_ids:
            self.clear(phone_id)
            self._free.put(phone_id)

    def end(self) -> None:
        self._program.end()
        words = [str(adbutils.adb_path()), "-P", str(self.adb_port), "kill-server"]
        subprocess.run(words, capture_output=True, check=False, env=clean_environment(), timeout=20)

    def fault(self, phone_id: str, name: str, seconds: float | None = None) -> None:
        self._order({"phone": phone_id, "fault": name, "seconds": seconds})

    def clear(self, phone_id: str) -> None:
        self._order({"phone": phone_id, "clear": True})

    def state(self, phone_id: str) -> Any:
        """What the simulator knows of a phone, its app included."""
        return self._order({"phone": phone_id, "state": True})

    def account(self, phone_id: str, account_id: str) -> Any:
        """What the demo app remembers of an account."""
        return self.state(phone_id)["app"]["accounts"][account_id]

    def _order(self, order: dict[str, Any]) -> Any:
        with socket.create_connection(("127.0.0.1", self._control_port), timeout=10) as line:
            line.sendall(json.dumps(order).encode() + b"\n")
            with line.makefile("rb") as answers:
                answer = json.loads(answers.readline())
        assert answer["ok"], answer
        return answer
