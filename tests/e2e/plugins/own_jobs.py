"""A job type of a user's own, as docs/jobs.md shows them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from procession.jobs import Job, job_type

PARTS = 40


@job_type(attempts_max=3)
def greetings(job: Job) -> Any:
    """Writes a line a part; a person looks at the last one before it is written."""
    book = Path(job.input["book"])
    for part in range(job.resume_from or 0, PARTS):
        job.progress(90 * part / PARTS, f"Greeting {part + 1} of {PARTS}")
        with book.open("a") as file:
            file.write(f"{part} by {os.getpid()}\n")
        job.checkpoint(part + 1)
        job.wait(job.input.get("pause_s", 0.0))
    decision = job.review({"text": f"Dear {job.input['name']}"})
    return {"sent": decision.approved, "text": decision.edits}
