"""What a type of job has asked its worker for: files, and settings of the worker."""

from __future__ import annotations

import os

from procession.jobs import registry
from procession.jobs.registry import InputInvalid, JobTypeUnknown
from procession.protocol import Assignment

UPLOADS_MAX = 10


def uploads_of(assignment: Assignment) -> list[str]:
    """The uploads this job needs as files; none for an input its run will refuse."""
    try:
        one = registry.find(assignment.capability)
        if one.uploads_for is None:
            return []
        return one.uploads_for(registry.decoded(one, bytes(assignment.inputs)))[:UPLOADS_MAX]
    except (JobTypeUnknown, InputInvalid):
        return []


def settings_of(assignment: Assignment) -> dict[str, str]:
    """Names and values of the worker's environment that this type of job needs."""
    try:
        names = registry.find(assignment.capability).settings
    except JobTypeUnknown:
        return {}
    return {name: os.environ[name] for name in names if name in os.environ}
