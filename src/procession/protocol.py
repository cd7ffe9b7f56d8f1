"""What agents and server say to each other: JSON bodies of `POST /worker/v1/<verb>`.

Every message that reports on a run carries the item and the attempt it was claimed with; the
attempt is the fencing token, and a run whose attempt is no longer the holder is answered `lost`.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Raw, Struct

PROTOCOL_VERSION = 1
PATH = "/worker/v1"

LANES_MAX = 500
RUNS_MAX = 1_000
WAIT_MS_MAX = 25_000
OUTPUT_BYTES_MAX = 65_536
RESULT_BYTES_MAX = 131_072
CHECKPOINT_BYTES_MAX = 65_536
MESSAGE_CHARS_MAX = 2_000

NULL = Raw(b"null")
"""No JSON value was given."""

Order = Literal["none", "soft", "hard", "lost"]
OutcomeWord = Literal["completed", "failed", "cancelled", "waiting"]
"""`waiting`: a job asks a person about the draft that is its result."""
Health = Literal["available", "offline", "unauthorized", "unhealthy", "quarantined"]


class JobTerms(Struct, frozen=True):
    """A type of job as its worker knows it; the server may not have its code."""

    name: str
    attempts_max: int = 1
    time_limit_ms: int = 3_600_000
    on_interrupted: Literal["retry", "fail", "ask_human"] = "retry"


class PhoneReport(Struct, omit_defaults=True):
    """One phone as its agent sees it now; `detail` says why it takes no work, if so."""

    phone_id: str
    state: Health = "available"
    serial: str = ""
    battery_percent: int | None = None
    temperature_c: float | None = None
    storage_free_mb: int | None = None
    detail: str = ""
    job_types: list[JobTerms] | None = None
    """Of a lane for jobs, which is no phone: the types of jobs it takes."""


class Register(Struct):
    """`register`: an agent's life begins; the same agent_id again replaces the earlier life."""

    agent_id: str
    protocol: int
    version: str
    capabilities: list[str]
    phones: list[PhoneReport] = []


class Registered(Struct):
    """Answer to `register`. Times in milliseconds; `server_time_ms` names the life that began."""

    agent_id: str
    lease_ms: int
    heartbeat_ms: int
    server_time_ms: int
    protocol: int = PROTOCOL_VERSION


class Claim(Struct):
    """`claim`: long-polls for work on these idle phones, at most one item each."""

    agent_id: str
    phones: list[str]
    wait_ms: int = 20_000


class Assignment(Struct, omit_defaults=True):
    """One item to run. The lease counts from `waited_ms` after the request for it was sent."""

    item_id: str
    process_id: str
    attempt: int
    phone_id: str
    capability: str
    inputs: Raw
    lease_ms: int
    time_limit_ms: int
    start_required: bool
    """The agent must have `report(started=True)` accepted before it lets the run begin."""
    account_id: str | None = None
    app: str | None = None
    """The account's app: which app profile drives it."""
    waited_ms: int = 0
    """How long the server had the request before it gave the item away."""
    checkpoint: Raw = NULL
    """Of a job: where an earlier run said a later one can go on."""
    decisions: Raw = NULL
    """Of a job: what people have decided so far, a JSON array."""


class Claimed(Struct):
    """Answer to `claim`; empty when the wait ended without work or the agent drains."""

    items: list[Assignment]


class RunReport(Struct, omit_defaults=True):
    """A run is alive; optionally it has started or got further (percent 0 to 100)."""

    item_id: str
    attempt: int
    started: bool = False
    percent: float | None = None
    message: str = ""
    checkpoint: Raw = NULL


class Heartbeat(Struct):
    """`heartbeat`: renews the lease of every run named, then waits for orders.

    The leases are renewed when it arrives; the answer is held until an order that was not yet
    in `seen` appears for one of the runs, or `wait_ms` is over.
    """

    agent_id: str
    runs: list[RunReport]
    phones: list[PhoneReport] = []
    wait_ms: int = 0
    seen: list[RunOrder] = []


class RunOrder(Struct, frozen=True):
    """What the server wants of one run: go on, stop when you can, be killed, you lost it."""

    item_id: str
    attempt: int
    order: Order


class Orders(Struct):
    """Answer to `heartbeat` and `report`; a run not named goes on."""

    orders: list[RunOrder]


class Report(Struct):
    """`report`: starts and progress, at once, without waiting. Also renews the leases."""

    agent_id: str
    runs: list[RunReport]


class RunError(Struct, omit_defaults=True):
    """Why a run did not complete. `infrastructure`: the phone or the agent, not the work."""

    message: str
    category: Literal["failed", "timeout", "cancelled", "lease_lost", "rejected"] = "failed"
    retry: bool = False
    infrastructure: bool = False


class Result(Struct, omit_defaults=True):
    """The end of one run, reported once it is known dead.

    `forced`: it was killed. `started`: it had begun (kept with results that arrive late).
    """

    item_id: str
    attempt: int
    outcome: OutcomeWord
    result: Raw = Raw(b"{}")
    error: RunError | None = None
    output: str = ""
    output_truncated: bool = False
    forced: bool = False
    started: bool = True
    checkpoint: Raw = NULL
    """The last one, which may not have been reported before."""


class Finish(Struct):
    """`finish`: ends runs and, in the same breath, claims for phones that are idle now."""

    agent_id: str
    results: list[Result]
    idle: list[str] = []


class FinishAnswer(Struct, omit_defaults=True):
    """`accepted`, or the stable code of the refusal (`lease_lost`, `not_found`)."""

    item_id: str
    attempt: int
    accepted: bool
    code: str = ""


class Finished(Struct):
    """Answer to `finish`, in the order of the results; `items` are the next assignments."""

    answers: list[FinishAnswer]
    items: list[Assignment]


class Drain(Struct):
    """`drain`: the agent takes no more work; its runs go on.

    With `registered_ms` (`Registered.server_time_ms`) it is said of that life alone: one that
    arrives late does not bind the next.
    """

    agent_id: str
    registered_ms: int | None = None
