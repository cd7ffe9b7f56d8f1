"""`--seed 7` shows one world and its trace; `--seeds 1000` runs many; see docs/simulation.md."""

from __future__ import annotations

import argparse
import logging
import os
import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from simulation.bugs import Bug

PROGRESS_S = 10.0


def main(arguments: Sequence[str]) -> int:
    """The exit status: 0 when nothing was found, 1 when something was."""
    parser = argparse.ArgumentParser(prog="simulation", description=__doc__)
    parser.add_argument("--seed", type=int, help="one seed, with its trace")
    parser.add_argument("--seeds", type=int, default=0, help="how many seeds")
    parser.add_argument("--from", type=int, default=0, dest="first", help="the first of them")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes")
    parser.add_argument("--regressions", action="store_true", help="the seeds that found bugs")
    parser.add_argument("--bug", default="", help="plant this bug of bugs.py, and find it")
    given = parser.parse_args(arguments)
    logging.disable(logging.CRITICAL)
    from simulation.bugs import BUGS
    from simulation.regressions import FOUND

    bug = BUGS[given.bug] if given.bug else None
    if given.seed is not None:
        return show(given.seed, bug)
    if bug:
        return search(bug)
    if given.regressions:
        return campaign(list(FOUND), given.jobs)
    return campaign(range(given.first, given.first + given.seeds), given.jobs)


def show(seed: int, bug: Bug | None) -> int:
    """Print the trace of one seed."""
    from simulation.runner import run_seeds

    planted = (bug.plant, bug.plan) if bug else ()
    (outcome,) = run_seeds([seed], 1, *planted)
    print(*outcome.trace, sep="\n")
    print(outcome.plan)
    print(f"seed {seed}: {outcome.digest}, {len(outcome.broken)} broken")
    return int(bool(outcome.broken))


def search(bug: Bug) -> int:
    """Run worlds with a bug until one finds it."""
    from simulation.runner import run_seeds

    for tried, seed in enumerate(bug.seeds(), 1):
        (outcome,) = run_seeds([seed], 1, bug.plant, bug.plan)
        if outcome.broken:
            print(f"found by seed {seed}, {tried} worlds: {outcome.broken[0]}")
            return 1
    print(f"not found in {len(bug.seeds())} worlds")
    return 0


def campaign(seeds: Sequence[int], jobs: int) -> int:
    """Run many; print those that found something and how to see them, and the progress."""
    from simulation.runner import run_seeds

    begun_s = told_s = time.monotonic()
    found = done = runs = commits = 0
    for outcome in run_seeds(seeds, jobs):
        done += 1
        runs += outcome.runs
        commits += outcome.commits
        if outcome.broken:
            found += 1
            print(f"seed {outcome.seed}: {outcome.broken[0]}")
            print(f"    PYTHONPATH=tests python -m simulation --seed {outcome.seed}", flush=True)
        if time.monotonic() - told_s > PROGRESS_S:
            told_s = time.monotonic()
            print(f"{done} of {len(seeds)} seeds, {found} found something", flush=True)
    spent_s = time.monotonic() - begun_s
    cpu_s = sum(os.times()[:4])
    print(f"{done} seeds, {found} found something; {runs} runs, {commits} commits")
    print(f"{spent_s:.1f} s, {cpu_s:.1f} s of processor")
    return int(found > 0 or done != len(seeds))


if __name__ == "__main__":
    if os.environ.get("PYTHONHASHSEED") != "0":
        # Sets of words are in another order in each process, and a seed is to be the same again.
        os.environ["PYTHONHASHSEED"] = "0"
        os.execv(sys.executable, [sys.executable, "-m", "simulation", *sys.argv[1:]])
    sys.exit(main(sys.argv[1:]))
