"""`echo {…}`: the result is the input."""

from __future__ import annotations

from typing import Any

from procession.jobs.job import Job
from procession.jobs.job_type import job_type


@job_type
def echo(job: Job) -> Any:
    """Give back what was given."""
    return job.input
