"""What a job type's code is given: its input, ways to report, to go on after a stop, to ask."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, Protocol

from msgspec import Struct

from procession.capabilities.capability import RunFailed, RunStopped

DecisionWord = Literal["approve", "reject"]


class Decision(Struct, frozen=True, omit_defaults=True):
    """What a person decided about a draft; `edits` is JSON of any shape, None for none."""

    decision: DecisionWord
    edits: Any = None

    @property
    def approved(self) -> bool:
        return self.decision == "approve"


class ReviewWanted(BaseException):
    """The run ends here and waits for a person; raised by `Job.review`, caught by nobody else.

    A BaseException, so that a job's own `except Exception` does not swallow it.
    """

    def __init__(self, draft: Any) -> None:
        super().__init__("a person is asked")
        self.draft = draft


class Job(Protocol):
    """One run of a job.

    A run may be interrupted and begun again: `run` then starts from its top, with `resume_from`
    the last checkpoint, and, once a person has decided, with the decision ready.
    """

    process_id: str
    item_id: str
    attempt: int
    input: Any
    """The decoded `Input` struct of the job type (plain JSON values where it has none)."""
    resume_from: Any
    """The value of the last checkpoint of an earlier run, None without one."""

    @property
    def stopping(self) -> bool:
        """True once somebody asked this run to stop; a run that sees it ends soon."""
        ...

    def progress(self, percent: float, message: str = "") -> None:
        """Report how far the run is, 0 to 100; raises RunStopped once it was told to stop."""
        ...

    def step(self, name: str) -> None:
        """Say what is being done now; shown as `current_step`. Raises RunStopped when told to."""
        ...

    def checkpoint(self, value: Any) -> None:
        """Keep a JSON value (64 KiB at most) from which a later run can go on.

        It is on its way when this returns and saved within about half a second: a killed run
        may begin again from the one before. Raises RunStopped when told to stop, and
        CheckpointUnusable for a value that is no JSON or too large.
        """
        ...

    def review(self, draft: Any) -> Decision:
        """Ask a person about a draft (JSON, 128 KiB at most).

        The first time the run ends here and frees its worker. When the person has decided, the
        job is run again from its top and this returns the decision.
        """
        ...

    def wait(self, seconds: float) -> None:
        """Sleep, but raise RunStopped as soon as the run is told to stop."""
        ...

    def uploaded(self, upload_id: str) -> Path:
        """The file of an upload the job type has asked for by `uploads_for`; to be read only.

        Raises KeyError for another one.
        """
        ...

    def log(self, text: str) -> None:
        """Write a line to the run's captured output."""
        ...


__all__ = ["Decision", "DecisionWord", "Job", "ReviewWanted", "RunFailed", "RunStopped"]
