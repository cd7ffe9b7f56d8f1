"""Finds job types: the built-in ones, those other packages offer, those of modules named."""

from __future__ import annotations

import importlib
import logging
import os
from collections.abc import Iterable
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any

import msgspec
from msgspec import Struct

from procession.jobs.job_type import JobType, JobTypeInvalid, found_in, made

GROUP = "procession.jobs"
MODULES = "PROCESSION_JOB_MODULES"
"""Modules whose job types are known besides, comma-separated: `worker --import` sets it."""

log = logging.getLogger(__name__)


class JobTypeUnknown(Exception):
    """No job type has this name."""

    def __init__(self, name: str) -> None:
        super().__init__(f"no job type is called {name!r}")
        self.name = name


class InputInvalid(Exception):
    """The input does not fit the job type."""


class Catalog(Struct, frozen=True):
    """What is known here, and the entry points that could not be loaded, with the reason."""

    types: dict[str, JobType]
    broken: dict[str, str]


def find(name: str) -> JobType:
    """Raises JobTypeUnknown."""
    try:
        return _catalog().types[name]
    except KeyError:
        raise JobTypeUnknown(name) from None


def names() -> list[str]:
    return sorted(_catalog().types)


def broken() -> dict[str, str]:
    """Entry points that could not be loaded: `<package>:<name>` to the reason."""
    return dict(_catalog().broken)


def decoded(one: JobType, raw: bytes) -> Any:
    """The input as the run gets it. Raises InputInvalid with what is wrong where."""
    try:
        return one.decode(raw)
    except msgspec.DecodeError as refusal:
        raise InputInvalid(str(refusal)) from None


def attempts_max(one: JobType, inputs: Any) -> int:
    """How often a job with this decoded input is tried."""
    return one.attempts_max if one.attempts_for is None else one.attempts_for(inputs)


def time_limit_ms(one: JobType, inputs: Any) -> int:
    """How long one run with this decoded input may take."""
    if one.time_limit_for is None:
        return one.time_limit_ms
    return min(one.time_limit_ms, one.time_limit_for(inputs))


def imported(modules: Iterable[str]) -> dict[str, JobType]:
    """The job types of these modules. Raises ImportError, JobTypeInvalid for one without any."""
    types: dict[str, JobType] = {}
    for name in modules:
        found = found_in(importlib.import_module(name))
        if not found:
            raise JobTypeInvalid(f"the module {name} defines no job type: mark one with @job_type")
        types |= {one.name: one for one in found}
    return types


def collect(offered: Iterable[EntryPoint], modules: Iterable[str]) -> Catalog:
    """All types; a broken entry point harms no other, a module that was named must work."""
    catalog = Catalog({one.name: one for one in _built_in()}, {})
    for entry in offered:
        package = entry.dist.name if entry.dist else "unknown"
        try:
            one = made(entry.load(), entry.name)
        except Exception as reason:
            catalog.broken[f"{package}:{entry.name}"] = f"{type(reason).__name__}: {reason}"
            log.warning("job type %s of package %s: %s", entry.name, package, reason)
        else:
            catalog.types[one.name] = one
    catalog.types.update(imported(modules))
    return catalog


@cache
def _catalog() -> Catalog:
    named = os.environ.get(MODULES, "")
    return collect(entry_points(group=GROUP), [word for word in named.split(",") if word])


def _built_in() -> list[JobType]:
    from procession.jobs import csv_import, draft, echo, fail, locations, sleep

    tried = (echo.echo, sleep.Sleep, fail.Fail, draft.draft)
    located = (locations.AiLocationImport, locations.AiLocationImprovement)
    return [made(code) for code in (*tried, csv_import.CsvImport, *located)]
