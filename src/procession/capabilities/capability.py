"""The protocol of a capability: how it is planned on the server and run beside the phone."""

from __future__ import annotations

from typing import Any, ClassVar, Literal, Protocol

from msgspec import Struct

Mode = Literal["manual", "unattended"]
Routing = Literal["direct", "queue", "group"]
OnInterrupted = Literal["retry", "fail", "ask_human"]

MODES: frozenset[Mode] = frozenset({"manual", "unattended"})
ROUTINGS: frozenset[Routing] = frozenset({"direct", "queue", "group"})
NO_BLOCKS: dict[Mode, str] = {}


class RunFailed(Exception):
    """The run ended without reaching its goal; `retry` says whether another try can help."""

    category: ClassVar[str] = "failed"
    infrastructure: ClassVar[bool] = False

    def __init__(self, message: str, *, retry: bool = False) -> None:
        super().__init__(message)
        self.retry = retry


class RunTimedOut(RunFailed):
    """Something the run waited for did not happen in time."""

    category = "timeout"


class PhoneFault(RunFailed):
    """The phone, not the work, is at fault; counts towards the phone's quarantine."""

    infrastructure = True

    def __init__(self, message: str, *, retry: bool = True) -> None:
        super().__init__(message, retry=retry)


class RunStopped(Exception):
    """The run was told to stop and has stopped."""


class Phone(Protocol):
    """A phone as a run sees it; every call has a deadline and raises PhoneFault past it."""

    phone_id: str
    serial: str

    def shell(self, command: str, *, timeout_s: float = 20.0) -> str:
        """Run a shell command on the phone and return its standard output.

        Raises PhoneFault when the phone does not answer in time or the connection breaks,
        ShellFailed (a RunFailed) when the command exits with another status than 0.
        """
        ...

    def push(self, local: str, remote: str, *, timeout_s: float = 300.0) -> None: ...

    def pull(self, remote: str, *, timeout_s: float = 300.0) -> bytes: ...

    def screenshot(self, *, timeout_s: float = 20.0) -> bytes:
        """The screen as PNG bytes."""
        ...

    def reboot(self, *, timeout_s: float = 180.0) -> None:
        """Reboot and wait until the phone has booted again."""
        ...


class Job(Protocol):
    """What a run is given: its input, its phone, and the way to report and to be stopped."""

    process_id: str
    item_id: str
    attempt: int
    capability: str
    input: Any
    """The decoded `Input` struct of the capability (a dict where it has none)."""
    account_id: str | None
    phone: Phone | None

    @property
    def stopping(self) -> bool:
        """True once somebody asked this run to stop; a run that sees it ends soon."""
        ...

    def progress(self, percent: float, message: str = "") -> None:
        """Report how far the run is, 0 to 100; raises RunStopped once it was told to stop."""
        ...

    def wait(self, seconds: float) -> None:
        """Sleep, but raise RunStopped as soon as the run is told to stop."""
        ...

    def log(self, text: str) -> None:
        """Write a line to the run's captured output."""
        ...


class Capability(Protocol):
    """A plain class; an instance is stateless and shared.

    `blocked` names the modes that are refused, with the stable code answered for each.
    `time_limit_ms` bounds any run; an optional method `time_limit_for(inputs) -> int` gives a
    shorter limit for the decoded inputs at hand (`registry.time_limit_ms` asks for it).
    """

    name: ClassVar[str]
    Input: ClassVar[type[Struct] | None]
    modes: ClassVar[frozenset[Mode]]
    routings: ClassVar[frozenset[Routing]]
    blocked: ClassVar[dict[Mode, str]]
    needs_phone: ClassVar[bool]
    on_interrupted: ClassVar[OnInterrupted]
    attempts_max: ClassVar[int]
    time_limit_ms: ClassVar[int]

    def run(self, job: Job) -> Any:
        """Do the work; return a JSON-able result. Raises RunFailed or RunStopped."""
        ...
