"""The Job of jobs/job.py, inside a forked run."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import msgspec

from procession.agent import frames
from procession.agent.frames import Progress, Start
from procession.agent.run_job import RunJob, sayable
from procession.jobs.job import Decision, ReviewWanted
from procession.protocol import CHECKPOINT_BYTES_MAX

_NUL_IN_JSON = b"\\u0000"


class CheckpointUnusable(Exception):
    """The checkpoint cannot be kept."""


class JobRun(RunJob):
    """A run of a job: what a run for a phone can do, and checkpoints and reviews."""

    def __init__(self, start: Start, decoded: Any, channel: socket.socket) -> None:
        super().__init__(start, decoded, channel)
        self.resume_from = msgspec.json.decode(start.checkpoint) if start.checkpoint else None
        self._decisions = msgspec.json.decode(start.decisions or b"[]", type=list[Decision])
        self._asked = 0
        self._uploads = start.uploads

    def uploaded(self, upload_id: str) -> Path:
        return Path(self._uploads[upload_id])

    def step(self, name: str) -> None:
        self.raise_if_told()
        self._tell(Progress(self._percent, sayable(name)))

    def checkpoint(self, value: Any) -> None:
        self.raise_if_told()
        try:
            kept = msgspec.json.encode(value)
        except (TypeError, ValueError, OverflowError, RecursionError) as reason:
            raise CheckpointUnusable(f"it is not JSON: {reason}") from None
        if len(kept) > CHECKPOINT_BYTES_MAX:
            raise CheckpointUnusable(f"it is longer than {CHECKPOINT_BYTES_MAX} bytes")
        if _NUL_IN_JSON in kept:
            raise CheckpointUnusable("it holds a NUL character")
        self._tell(Progress(self._percent, self._message, kept))

    def review(self, draft: Any) -> Decision:
        self._asked += 1
        if self._asked <= len(self._decisions):
            return self._decisions[self._asked - 1]
        raise ReviewWanted(draft)

    def _tell(self, progress: Progress) -> None:
        self._message = progress.message
        with self._sending:
            frames.send(self._channel, progress, frames.SEND_WAIT_S)
