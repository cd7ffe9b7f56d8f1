"""A job type: a name and the code that runs it. Made of a plain function or class."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from typing import Any, TypeVar, overload

import msgspec
from msgspec import Struct

from procession.capabilities.capability import OnInterrupted
from procession.jobs.job import Job

TIME_LIMIT_MS = 3_600_000
TIME_LIMIT_MS_MAX = 7 * 86_400_000
ATTEMPTS_MAX = 100
_NAME = re.compile(r"[a-z][a-z0-9_.-]{0,63}")
_FOUND = "__procession_job_type__"

T = TypeVar("T", bound=Callable[..., Any])


class JobTypeInvalid(Exception):
    """This cannot be a job type."""


class JobType(Struct, frozen=True, kw_only=True):
    """What is known of a job type before it runs.

    `Input` is a msgspec Struct the input must fit, None for any JSON object. `attempts_for`
    gives the tries for one decoded input, `time_limit_for` a shorter limit (ms). `uploads_for`
    names the uploads a run needs as files, `settings` what it needs of its worker's environment:
    no other run sees those.
    """

    name: str
    run: Callable[[Job], Any]
    Input: type[Struct] | None = None
    attempts_max: int = 1
    time_limit_ms: int = TIME_LIMIT_MS
    on_interrupted: OnInterrupted = "retry"
    attempts_for: Callable[[Any], int] | None = None
    time_limit_for: Callable[[Any], int] | None = None
    uploads_for: Callable[[Any], list[str]] | None = None
    settings: tuple[str, ...] = ()

    def decode(self, raw: bytes) -> Any:
        """The input as `run` gets it. Raises msgspec.ValidationError."""
        return msgspec.json.decode(raw, type=self.Input or dict[str, Any])


@overload
def job_type(code: T, /) -> T: ...


@overload
def job_type(*, name: str = "", **more: Any) -> Callable[[T], T]: ...


def job_type(code: Any = None, /, *, name: str = "", **more: Any) -> Any:
    """Mark a function `run(job)`, or a class with a method `run(self, job)`, as a job type.

    The name is the function's, or the class's attribute `name`; what JobType knows may be given
    here or as attributes of the class. Raises JobTypeInvalid.
    """

    def mark(code: Any) -> Any:
        setattr(code, _FOUND, made(code, name, **more))
        return code

    return mark if code is None else mark(code)


def found_in(module: Any) -> list[JobType]:
    """The job types a module defines or brings in, in the order of their names."""
    found = {vars(value)[_FOUND] for value in vars(module).values() if _is_marked(value)}
    return sorted(found, key=lambda one: one.name)


def made(code: Any, name: str = "", **more: Any) -> JobType:
    """The job type of a function or class. Raises JobTypeInvalid."""
    if isinstance(code, JobType):
        return code
    if _is_marked(code) and not name and not more:
        marked: JobType = vars(code)[_FOUND]
        return marked
    is_class = inspect.isclass(code)
    settings = {key: getattr(code, key) for key in _SETTINGS if is_class and hasattr(code, key)}
    settings |= more
    own = getattr(code, "name", "") if is_class else getattr(code, "__name__", "")
    try:
        one = code() if is_class else code
        run = one.run if is_class else one
        settings |= {key: getattr(one, key) for key in _ASKED if is_class and hasattr(one, key)}
        return _checked(JobType(name=name or own, run=run, **settings))
    except (TypeError, AttributeError) as reason:
        raise JobTypeInvalid(f"{code!r} is no job type: {reason}") from None


_ASKED = ("attempts_for", "time_limit_for", "uploads_for")
_SETTINGS = ("Input", "attempts_max", "time_limit_ms", "on_interrupted", "settings")


def _checked(one: JobType) -> JobType:
    if not isinstance(one.name, str) or not _NAME.fullmatch(one.name):
        raise JobTypeInvalid(
            f"name {one.name!r}: lower-case letters, digits and _.- ({_NAME.pattern})"
        )
    if not callable(one.run):
        raise JobTypeInvalid(f"{one.name}: run is not callable")
    if not 1 <= one.attempts_max <= ATTEMPTS_MAX:
        raise JobTypeInvalid(f"{one.name}: attempts_max is not 1 to {ATTEMPTS_MAX}")
    if not 1 <= one.time_limit_ms <= TIME_LIMIT_MS_MAX:
        raise JobTypeInvalid(f"{one.name}: time_limit_ms is not 1 to {TIME_LIMIT_MS_MAX}")
    if one.on_interrupted not in ("retry", "fail", "ask_human"):
        raise JobTypeInvalid(f"{one.name}: on_interrupted is not retry, fail or ask_human")
    return one


def _is_marked(value: Any) -> bool:
    return (inspect.isfunction(value) or inspect.isclass(value)) and _FOUND in vars(value)
