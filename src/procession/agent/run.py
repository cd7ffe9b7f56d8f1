"""Inside the forked run: a capability or a job at work, and how its ending is told."""

from __future__ import annotations

import contextlib
import gc
import socket
import sys
from types import FrameType
from typing import Any

import msgspec

from procession.agent import frames
from procession.agent.frames import Said, Start
from procession.agent.job_run import JobRun
from procession.agent.run_job import RunJob, sayable
from procession.capabilities import registry
from procession.capabilities.capability import RunFailed, RunStopped
from procession.capabilities.errors import CapabilityRefusal
from procession.jobs import registry as jobs
from procession.jobs.job import ReviewWanted
from procession.jobs.registry import InputInvalid
from procession.protocol import RESULT_BYTES_MAX

_NUL_IN_JSON = b"\\u0000"


class ResultUnusable(Exception):
    """The capability's result cannot be reported."""


def perform(start: Start, channel: socket.socket) -> None:
    """Run the capability to its end and tell it on the channel; never raises."""
    gc.enable()
    said = _outcome(start, channel)
    _ending.append(True)
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    with contextlib.suppress(OSError):
        frames.send(channel, said, frames.SEND_WAIT_S)


_ending: list[bool] = []
"""Not empty once the capability is done: what it said is on its way and must not be cut short."""


def stop_now(_number: int, _frame: FrameType | None) -> None:
    """On SIGTERM: leave the capability through its `finally` blocks. Raises RunStopped."""
    if not _ending:
        raise RunStopped


def _outcome(start: Start, channel: socket.socket) -> Said:
    try:
        return Said("completed", result=_encoded(_result(start, channel)))
    except ReviewWanted as wanted:
        return _asking(wanted.draft)
    except RunStopped:
        return Said("stopped", message="Stopped when told to.")
    except RunFailed as failure:
        return _failed(failure)
    except (CapabilityRefusal, InputInvalid) as refusal:
        return Said("failed", message=sayable(f"Input refused: {refusal}"))
    except MemoryError:
        memory_mb_max = start.limits.memory_mb_max
        return Said("failed", message=f"Over the limit of {memory_mb_max} MB of memory.")
    except BaseException as failure:
        sys.excepthook(type(failure), failure, failure.__traceback__)
        return Said("failed", message=sayable(f"{type(failure).__name__}: {failure}"))


def _result(start: Start, channel: socket.socket) -> Any:
    if start.is_job:
        job_type = jobs.find(start.capability)
        decoded = jobs.decoded(job_type, start.inputs)
        return job_type.run(JobRun(start, decoded, channel))
    capability = registry.find(start.capability)
    decoded = registry.decode_inputs(capability, start.inputs)
    return capability.run(RunJob(start, decoded, channel))


def _asking(draft: Any) -> Said:
    """The run ends; a person is asked about the draft."""
    try:
        return Said("waiting", result=_encoded(draft))
    except ResultUnusable as reason:
        return Said("failed", message=f"The draft cannot be shown: {reason}")


def _failed(failure: RunFailed) -> Said:
    return Said(
        "failed",
        message=sayable(str(failure)) or type(failure).__name__,
        category="timeout" if failure.category == "timeout" else "failed",
        retry=failure.retry,
        infrastructure=failure.infrastructure,
    )


def _encoded(result: Any) -> bytes:
    try:
        encoded = msgspec.json.encode({} if result is None else result)
    except (TypeError, ValueError, OverflowError, RecursionError, msgspec.EncodeError) as reason:
        raise ResultUnusable(f"it is not JSON: {reason}") from None
    if _NUL_IN_JSON in encoded:
        raise ResultUnusable("it holds a NUL character")
    if len(encoded) > RESULT_BYTES_MAX:
        raise ResultUnusable(f"it is longer than {RESULT_BYTES_MAX} bytes")
    return encoded
