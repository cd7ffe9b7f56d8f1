"""Whatever is killed, and whenever: every row is in the table exactly once."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from deadline import until
from importing import Office, wanted

from procession.agent import processes

ROWS = int(os.environ.get("PROCESSION_IMPORT_ROWS", "60000"))
SEED = int(os.environ.get("PROCESSION_IMPORT_SEED", "1"))
WAIT_S = 60 + ROWS / 2_000
MEMORY_KIB_MAX = 100 * 1024
BATCH_ROWS = 200
ROWS_LEFT_MIN = 30_000
"""So that there is much to do still when the last kill comes, be the machine as busy as it may."""
KILLS = ("run", "keeper", "worker", "run", "keeper")


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    one = Office(tmp_path)
    yield one
    one.end()


def big_file(rows: int) -> bytes:
    """Every hundredth row has an error, and every hundredth the key of the first row."""
    lines = ["Name,Code,Seats,Opened"]
    for number in range(rows):
        seats = "many" if number % 100 == 50 else str(number % 90)
        code = "c0" if number % 100 == 70 else f"c{number}"
        lines.append(f"Place {number} of many,{code},{seats},2024-01-{number % 28 + 1:02}")
    return "\n".join(lines).encode()


def applied(office: Office) -> int:
    with sqlite3.connect(office.own, timeout=20) as db:
        found: int = db.execute("SELECT count(*) FROM places").fetchone()[0]
    return found


def family(office: Office) -> dict[str, int]:
    """The processes of the run at work: its keeper below the worker's zygote, and itself."""
    for zygote in processes.children(office.worker.pid):
        for keeper in processes.children(zygote):
            for run in processes.children(keeper):
                return {"run": run, "keeper": keeper, "worker": office.worker.pid}
    return {}


def most_memory_kib(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if "VmHWM" in line)


def try_again(office: Office, job: dict[str, Any]) -> None:
    """A job that failed with its killed run, which may be found only after the next mark."""
    if office.job(job)["status"] == "failed":
        office.post(f"/api/processes/{job['id']}/retry", {})


def came_to(office: Office, job: dict[str, Any], rows: int) -> bool:
    """Whether so many rows are in."""
    try_again(office, job)
    return applied(office) >= rows


def strike(office: Office, job: dict[str, Any], what: str) -> None:
    """Kill one of the family; a killed worker is started again."""

    def found() -> int | None:
        victim = family(office).get(what)
        if victim is None:
            try_again(office, job)
        return victim

    victim = until(found, WAIT_S, f"a {what} to kill")
    os.kill(victim, signal.SIGKILL)
    if what == "worker":
        office.worker.wait()
        office.start_worker()


@pytest.mark.timeout(int(5 * WAIT_S))
def test_every_row_is_there_once_after_five_kills(office: Office) -> None:
    chance = random.Random(SEED)
    job = office.begin("csv_import", wanted(office.upload(big_file(ROWS)), batch_rows=BATCH_ROWS))
    draft = office.draft(job, WAIT_S)
    good = ROWS - 2 * (ROWS // 100)
    assert (draft["rows"], draft["valid"]) == (ROWS, good)
    office.review(job)
    last = min(good * 9 // 10, good - ROWS_LEFT_MIN)
    marks = sorted(chance.sample(range(good // 20, last), len(KILLS)))
    most_kib = 0
    for mark, what in zip(marks, KILLS, strict=True):
        until(partial(came_to, office, job, mark), WAIT_S, f"{mark} rows")
        run = family(office).get("run")
        if run is not None:
            most_kib = max(most_kib, most_memory_kib(run))
        strike(office, job, what)
    until(partial(came_to, office, job, good), WAIT_S, "all rows")
    done = office.reached(job, "completed", within_s=WAIT_S)
    skipped = ROWS - good
    assert done["result_summary"] == {
        "approved": True, "rows": ROWS, "applied": good, "skipped": skipped,
    }  # fmt: skip
    with sqlite3.connect(office.own) as db:
        count, distinct = db.execute("SELECT count(*), count(DISTINCT code) FROM places").fetchone()
    assert (count, distinct) == (good, good)
    assert 0 < most_kib < MEMORY_KIB_MAX


def test_a_cancel_ends_between_two_batches_and_frees_the_lane(office: Office) -> None:
    job = office.begin("csv_import", wanted(office.upload(big_file(50_000)), batch_rows=500))
    office.draft(job, WAIT_S)
    office.review(job)
    until(lambda: applied(office) >= 1_000, WAIT_S, "two batches")
    office.post(f"/api/processes/{job['id']}/cancel", {})
    assert office.job(job)["status"] == "cancelled"
    until(lambda: not family(office).get("run"), 30, "the run to be gone")
    with sqlite3.connect(office.own) as db:
        rows, kept = db.execute(
            "SELECT (SELECT count(*) FROM places), rows_applied FROM procession_import_marks"
        ).fetchone()
    assert rows == kept < 49_000
    echo = office.begin("echo", {"free": True})
    office.reached(echo, "completed")


def test_a_refused_batch_fails_the_job_and_a_retry_goes_on_with_it(office: Office) -> None:
    with sqlite3.connect(office.own) as db:
        db.execute("CREATE UNIQUE INDEX once ON places (code)")
        db.execute("INSERT INTO places VALUES ('Before', 'c2500', 1, NULL)")
    job = office.begin("csv_import", wanted(office.upload(big_file(3_000))))
    office.draft(job)
    office.review(job)
    failed = office.reached(job, "failed")
    assert "rows 2001 to 3000" in failed["error_message"]
    assert "UNIQUE" in failed["error_message"]
    with sqlite3.connect(office.own, timeout=20) as db:
        db.execute("DELETE FROM places WHERE name = 'Before'")
    assert applied(office) == 1_960
    office.post(f"/api/processes/{job['id']}/retry", {})
    done = office.reached(job, "completed")
    assert done["result_summary"]["applied"] == applied(office) == 2_940
