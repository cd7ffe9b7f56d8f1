"""The TypeScript package: its own tests, and again those that ask a server, with a real one."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from importing import TOKEN, Office

WEB = Path(__file__).parents[2] / "web" / "monitor"
OF_PAGES = "tests/page.test.ts"
OF_A_SERVER = ["tests/live.test.ts", "tests/faults.test.ts", OF_PAGES]
RUN_S_MAX = 280


def vitest(*words: str, **settings: str) -> None:
    """Fails with all that was said when any of the tests fails, or there is none."""
    done = subprocess.run(
        ["npm", "run", "--silent", "test", "--", *words],
        cwd=WEB,
        env=os.environ | {"NO_COLOR": "1"} | settings,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=RUN_S_MAX,
        check=False,
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.timeout(300)
def test_the_package_alone_passes_its_tests() -> None:
    vitest("--exclude", OF_PAGES)


@pytest.mark.timeout(300)
def test_the_package_follows_jobs_of_a_real_server(office: Office) -> None:
    url = f"http://127.0.0.1:{office.port}"
    vitest(*OF_A_SERVER, PROCESSION_URL=url, PROCESSION_TOKEN=TOKEN)
    jobs = {job["id"]: job["status"] for job in office.call("GET", "/api/processes?limit=200").body}
    assert {"completed", "failed", "cancelled"} <= set(jobs.values())
    # What the tests left behind would be waited for when the worker is told to end.
    for number, status in jobs.items():
        if status in ("pending", "running", "waiting_review"):
            office.call("POST", f"/api/processes/{number}/cancel", b"{}")
