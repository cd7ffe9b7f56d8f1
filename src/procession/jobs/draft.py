"""`draft {value}`: asks a person about the value; the result is the decision and the edits."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from procession.jobs.job import Job
from procession.jobs.job_type import job_type


class DraftInput(Struct, frozen=True):
    """Any JSON value."""

    value: Any


@job_type(name="draft", Input=DraftInput)
def draft(job: Job) -> Any:
    """For trying reviews."""
    job.progress(50, "Waiting for a review")
    decision = job.review(job.input.value)
    return {"decision": decision.decision, "edits": decision.edits, "value": job.input.value}
