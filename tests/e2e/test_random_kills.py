"""Rounds of work during which anything is killed or stopped at any moment, each from its seed.

A few rounds run always; PROCESSION_FAULT_ROUNDS=<n> asks for more, PROCESSION_FAULT_SEED=<n>
for the seed of the first.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
from http.client import HTTPException
from typing import Any

import pytest
from api import new_request_id
from deadline import until
from history import stays, verify_log, verify_phones
from stories import Story, Told
from world import LEASE_MS, Agent, World

ROUNDS = int(os.environ.get("PROCESSION_FAULT_ROUNDS", "2"))
SEED = int(os.environ.get("PROCESSION_FAULT_SEED", "1"))
SUBMISSIONS = 24
BLOWS = 3
KILLED_BY = ("lease_lost", "signal 9", "interrupted", "keeper")
"""What the error of a run that was not to be repeated may speak of."""


class Round:
    """One world under attack."""

    def __init__(self, world: World, seed: int) -> None:
        self.world, self.chance = world, random.Random(seed)
        self.phones = world.own_phones(3)
        self.agents = [
            world.start_agent("left", self.phones[:2]),
            world.start_agent("right", self.phones[2:]),
        ]
        self.accepted: list[str] = []

    def submit(self) -> None:
        """One more piece of work, asked for until the server has taken it."""
        request_id = new_request_id()
        capability = self.chance.choice(["witness", "witness", "witness_fail"])
        deaf = self.chance.random() < 0.3
        inputs = self.world.book.inputs(self.chance.uniform(0, 0.8), ignore_stop=deaf)
        phone = self.chance.choice([*self.phones, None])
        body = until(lambda: self._asked(request_id, capability, inputs, phone), 40, "a taker")
        self.accepted.append(body["process_id"])

    def _asked(
        self, request_id: str, capability: str, inputs: dict[str, object], phone: str | None
    ) -> Any:
        """The answer; None when the server was away."""
        with contextlib.suppress(OSError, HTTPException):
            reply = self.world.api.enqueue(request_id, capability, inputs, phone=phone)
            assert reply.status in (200, 202), reply
            return reply.body
        return None

    def blow(self) -> None:
        """Something is killed, or stands still for longer than its lease."""
        blows = [self.kill_server, self.kill_agent, self.kill_run, self.stop_agent]
        self.chance.choice(blows)()

    def kill_server(self) -> None:
        self.world.server.kill()
        self.world.start_server()

    def kill_agent(self) -> None:
        agent = self._agent()
        agent.program.kill()
        agent.start()

    def kill_run(self) -> None:
        ended = {
            (n["item_id"], n["attempt"]) for n in self.world.book.lines() if n["what"] == "end"
        }
        for line in reversed(self.world.book.lines()):
            if line["what"] == "begin" and (line["item_id"], line["attempt"]) not in ended:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(line["pid"], signal.SIGKILL)
                return

    def stop_agent(self) -> None:
        agent = self._agent()
        agent.program.send(signal.SIGSTOP)
        phones = self.world.api.phones()
        held = [phone for phone in agent.phones if phones[phone]["lease"]]
        with contextlib.suppress(AssertionError):
            until(lambda: self._freed(held), 2 * LEASE_MS / 1000, "its leases over")
        agent.program.send(signal.SIGCONT)

    def _freed(self, held: list[str]) -> bool:
        phones = self.world.api.phones()
        return all(phones[phone]["lease"] is None for phone in held)

    def _agent(self) -> Agent:
        return self.chance.choice(self.agents)

    def play(self) -> None:
        every = SUBMISSIONS // BLOWS
        for number in range(SUBMISSIONS):
            self.submit()
            if number % every == every - 1:
                self.blow()

    def judge(self) -> None:
        """Nothing accepted is lost, nothing ended twice, no phone ever had two runs."""
        every = []
        for process_id in self.accepted:
            record = self.world.api.ended(process_id, 90)
            if record["status"] != "completed":
                assert record["status"] == "failed_terminal", record
                told = f"{record['error']['category']} {record['error']['message']}"
                assert any(word in told for word in KILLED_BY), record
            every += stays(process_id, verify_log(self.world.api, process_id))
        verify_phones(every)
        self.world.book.verify()
        shown = self.world.api.phones()
        until(lambda: all(p["lease"] is None for p in self.world.api.phones().values()), 15)
        assert set(shown) == set(self.phones)


def story_of(seed: int) -> Story:
    """A round as a story."""

    def story(world: World) -> None:
        one = Round(world, seed)
        one.play()
        one.judge()

    story.__name__ = f"round_{seed}"
    return story


STORIES = [story_of(seed) for seed in range(SEED, SEED + ROUNDS)]


@pytest.mark.timeout(120 + 60 * ROUNDS)
@pytest.mark.parametrize("number", range(ROUNDS))
def test_nothing_is_lost_doubled_or_shared_whatever_is_killed(told: Told, number: int) -> None:
    told(STORIES[number])
