"""`sleep {seconds, steps}`: takes its time, reports each step, stops when told."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta, Struct

from procession.jobs.job import Job
from procession.jobs.job_type import job_type

SECONDS_MAX = 86_400
STEPS_MAX = 1_000
SLACK_MS = 60_000


class SleepInput(Struct, frozen=True):
    """How long, and in how many reported steps."""

    seconds: Annotated[float, Meta(ge=0, le=SECONDS_MAX)]
    steps: Annotated[int, Meta(ge=1, le=STEPS_MAX)] = 10


@job_type
class Sleep:
    """Sleeps; an interrupted one goes on with the step it had reached."""

    name = "sleep"
    Input = SleepInput
    attempts_max = 3
    time_limit_ms = SECONDS_MAX * 1_000 + SLACK_MS

    def time_limit_for(self, wanted: SleepInput) -> int:
        return int(wanted.seconds * 1_000) + SLACK_MS

    def run(self, job: Job) -> Any:
        wanted: SleepInput = job.input
        for done in range(job.resume_from or 0, wanted.steps):
            job.progress(100 * done / wanted.steps, f"Step {done + 1} of {wanted.steps}")
            job.checkpoint(done)
            job.wait(wanted.seconds / wanted.steps)
        return {"slept_s": wanted.seconds}
