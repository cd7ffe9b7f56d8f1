"""Job types: work that needs no phone. `from procession.jobs import Job, job_type`."""

from procession.jobs.job import Decision, Job, RunFailed, RunStopped
from procession.jobs.job_type import JobType, job_type

__all__ = ["Decision", "Job", "JobType", "RunFailed", "RunStopped", "job_type"]
