"""Which rounds are played where, each from its seed, and what a failing one says.

PROCESSION_FAULT_ROUNDS and PROCESSION_FAULT_SEED say how many and from which seed on. A seed
belongs to one scene, whatever else is played.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Sequence

from installation import Installation
from judgement import judge, judge_told
from load import Load, pieces
from strikes import Strike, until_asked

ROUNDS_SHORT = 50
ROUNDS = int(os.environ.get("PROCESSION_FAULT_ROUNDS", ROUNDS_SHORT))
SEED = int(os.environ.get("PROCESSION_FAULT_SEED", "1"))
WORK = 8
STRIKES_MAX = 2
ROUND_S_MAX = 240
SCENES = ["clock", "sqlite", "postgres", "cables", "sqlite"]
SCENES += ["postgres", "disk", "sqlite", "postgres", "cables"]
"""Whose a seed is, by its remainder: ten seeds have every scene."""


def seeds_of(scene: str) -> list[int]:
    """The seeds of this scene among those asked for."""
    return [seed for seed in range(SEED, SEED + ROUNDS) if SCENES[seed % len(SCENES)] == scene]


class RoundFailed(AssertionError):
    """A round has failed; `make faults` with its seed plays it again."""

    def __init__(self, scene: str, seed: int, struck: Sequence[str], error: BaseException) -> None:
        super().__init__(
            f"seed {seed} ({scene}: {', '.join(struck) or 'nothing struck yet'}): "
            f"{type(error).__name__}: {error}\n"
            f"play it again: make faults ROUNDS=1 SEED={seed}"
        )


class Scene:
    """Rounds on one installation, which is made anew after a round that failed."""

    def __init__(self, name: str, make: Callable[[int], Installation]) -> None:
        self.name = name
        self._make = make
        self._lives = 0
        self._place: Installation | None = None
        self._judged: list[str] = []

    def play(self, seed: int, strikes: Sequence[Strike]) -> Load:
        """One round, judged; its load, with what callers were told. Raises RoundFailed."""
        chance, struck = random.Random(seed), list[str]()
        try:
            return self._round(chance, strikes, struck)
        except Exception as error:
            self.close()
            raise RoundFailed(self.name, seed, struck, error) from error

    def told(self) -> None:
        """Raises AssertionError unless every callback of the rounds has arrived."""
        if self._place is not None:
            judge_told(self._place, self._judged)

    def close(self) -> None:
        """End the installation."""
        self._judged.clear()
        if self._place is not None:
            place, self._place = self._place, None
            place.end()

    def _round(self, chance: random.Random, strikes: Sequence[Strike], struck: list[str]) -> Load:
        place, begun_s = self._at(), time.monotonic()
        apis = [place.caller(number) for number in range(len(place.servers))]
        load = Load(apis, place.book, pieces(chance, WORK, place.phones, len(apis)))
        try:
            for moment in sorted(chance.choices(range(1, WORK), k=chance.randint(1, STRIKES_MAX))):
                strike = chance.choice(strikes)
                until_asked(load, moment)
                struck.append(strike.__name__)
                strike(place, load, chance)
                print(f"{time.monotonic() - begun_s:.1f} s: {strike.__name__} is over")
            accepted = load.end()
            print(f"{time.monotonic() - begun_s:.1f} s: {len(accepted)} accepted")
        finally:
            load.stop()
        place.until_ready()
        print(f"{time.monotonic() - begun_s:.1f} s: every phone ready")
        judge(place, accepted)
        print(f"{time.monotonic() - begun_s:.1f} s: judged")
        self._judged += accepted
        return load

    def _at(self) -> Installation:
        if self._place is None:
            self._lives += 1
            self._place = self._make(self._lives)
        return self._place
