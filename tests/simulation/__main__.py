"""`python -m simulation --seed 7`: one seed with its trace; `--seeds 1000`: many of them."""

from __future__ import annotations

import argparse
import logging
import os
import sys
import time
from collections.abc import Sequence

PROGRESS_S = 10.0


def main(arguments: Sequence[str]) -> int:
    """The exit status: 0 when nothing was found."""
    parser = argparse.ArgumentParser(prog="simulation", description=__doc__)
    parser.add_argument("--seed", type=int, help="one seed, with its trace")
    parser.add_argument("--seeds", type=int, default=0, help="how many seeds")
    parser.add_argument("--from", type=int, default=0, dest="first", help="the first of them")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes")
    given = parser.parse_args(arguments)
    logging.disable(logging.CRITICAL)
    if given.seed is not None:
        return show(given.seed)
    return campaign(range(given.first, given.first + given.seeds), given.jobs)


def show(seed: int) -> int:
    """Print the trace of one seed."""
    from simulation.runner import run_seeds

    for outcome in run_seeds([seed], 1):
        print(*outcome.trace, sep="\n")
        print(outcome.plan)
        print(f"seed {seed}: {outcome.digest}, {len(outcome.broken)} broken")
        return int(bool(outcome.broken))
    return 1


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
    return int(found > 0)


if __name__ == "__main__":
    if os.environ.get("PYTHONHASHSEED") != "0":
        os.environ["PYTHONHASHSEED"] = "0"
        os.execv(sys.executable, [sys.executable, "-m", "simulation", *sys.argv[1:]])
    sys.exit(main(sys.argv[1:]))
