"""`fail {message, times, attempts_max}`: fails its first `times` attempts (-1: always)."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta, Struct

from procession.jobs.job import Job, RunFailed
from procession.jobs.job_type import ATTEMPTS_MAX, job_type


class FailInput(Struct, frozen=True):
    """`times` -1 fails always; `attempts_max` 1 never tries again by itself."""

    message: Annotated[str, Meta(max_length=2_000)]
    times: Annotated[int, Meta(ge=-1, le=1_000)] = -1
    attempts_max: Annotated[int, Meta(ge=1, le=ATTEMPTS_MAX)] = 1


@job_type
class Fail:
    """For trying errors and retries."""

    name = "fail"
    Input = FailInput

    def attempts_for(self, wanted: FailInput) -> int:
        return wanted.attempts_max

    def run(self, job: Job) -> Any:
        wanted: FailInput = job.input
        if wanted.times < 0 or job.attempt <= wanted.times:
            raise RunFailed(wanted.message, retry=True)
        return {"attempt": job.attempt}
