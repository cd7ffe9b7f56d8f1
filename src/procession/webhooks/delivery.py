"""What is delivered, and when it is tried again. Pure: time and chance are arguments."""

import re
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from enum import StrEnum

RETRY_AFTER_MS_MAX = 24 * 3_600_000
DELAY_MS_MAX = 7 * 24 * 3_600_000
WAIT_MS_MIN = 24 * 3_600_000
ATTEMPTS_MAX = 20
JITTER = 0.1
"""A pause is prolonged by up to this share, never shortened."""

_GONE = 410
_UNITS_MS = {"s": 1_000, "m": 60_000, "h": 3_600_000}
_DELAY = re.compile(r"([0-9]{1,6})([smh])")
_SECONDS = re.compile(r"[0-9]{1,10}")


class DeliveryState(StrEnum):
    """`failed` means given up: it is sent again only by hand."""

    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Delivery:
    """One callback to send: what the outbox knows of it.

    `attempt` counts the tries already begun (0 before the first). `origin` is scheme, host and
    port of `url` as `Target.origin` gives it. `seq` is the process's version the body shows.
    `due_ms` is the time it became due, which it gets back when a try was begun and not made.
    """

    delivery_id: int
    process_id: str
    seq: int
    attempt: int
    url: str
    origin: str
    milestone: str
    body: bytes
    emitted_ms: int
    due_ms: int

    @property
    def webhook_id(self) -> str:
        """The same for every try and every re-send of one event: receivers drop repeats by it."""
        return f"{self.process_id}_{self.seq}"


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of one POST: a status, or an error when none arrived (or the rest was cut off).

    `head` is the beginning of the answer's body; `retry_after_ms` a pause the receiver asked for;
    `is_final` says that the same would be answered for ever.
    """

    status: int | None
    error: str | None
    duration_ms: int
    head: bytes = b""
    retry_after_ms: int | None = None
    is_final: bool = False

    @property
    def is_delivered(self) -> bool:
        """Any 2xx; a redirect is not followed and counts as a failure."""
        return self.status is not None and 200 <= self.status <= 299


@dataclass(frozen=True, slots=True)
class Start:
    """A try about to begin; `next_ms` is when to look again if nothing is ever recorded of it."""

    delivery: Delivery
    next_ms: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of try number `attempt`; `next_ms` is None exactly when `state` is final."""

    delivery_id: int
    attempt: int
    state: DeliveryState
    next_ms: int | None
    answer: Answer


@dataclass(frozen=True, slots=True)
class Schedule:
    """The pause before each try in ms, the first usually 0; as many tries as pauses."""

    delays_ms: tuple[int, ...]

    def __post_init__(self) -> None:
        if not 1 <= len(self.delays_ms) <= ATTEMPTS_MAX:
            raise ValueError(f"a schedule has 1 to {ATTEMPTS_MAX} attempts")
        if not all(0 <= delay <= DELAY_MS_MAX for delay in self.delays_ms):
            raise ValueError("a pause is at most 7 days")

    @property
    def attempts_max(self) -> int:
        return len(self.delays_ms)

    @property
    def first_ms(self) -> int:
        """The pause between the event and the first try."""
        return self.delays_ms[0]

    @property
    def wait_ms_max(self) -> int:
        """How long a due try may wait for a host that is silent: as long as the schedule lasts."""
        return max(sum(self.delays_ms), WAIT_MS_MIN)

    def delay_ms(self, begun: int, chance: float) -> int:
        """Return the pause after try number `begun` (1 …), prolonged by `chance` in [0, 1)."""
        return int(self.delays_ms[begun] * (1 + JITTER * chance))


def parse_schedule(text: str) -> Schedule:
    """Read `standard`, `none` (one try) or pauses such as `0s, 5s, 5m, 2h`.

    Raises ValueError naming the part that is no pause.
    """
    if text.strip() == "standard":
        return STANDARD
    if text.strip() == "none":
        return ONCE
    delays: list[int] = []
    for part in text.replace(",", " ").split():
        match = _DELAY.fullmatch(part)
        if match is None:
            raise ValueError(f"{part!r} is no pause; write 30s, 5m or 2h")
        delays.append(int(match[1]) * _UNITS_MS[match[2]])
    return Schedule(tuple(delays))


STANDARD = parse_schedule("0s 5s 5m 30m 2h 5h 10h 14h 20h 24h")
ONCE = Schedule((0,))


def next_attempt(
    delivery: Delivery, answer: Answer, now_ms: int, chance: float, schedule: Schedule = STANDARD
) -> tuple[DeliveryState, int | None]:
    """Decide what follows a try: the state, and when the next try is due (None when it is over).

    `delivery` is the value before the try: its number is `delivery.attempt + 1`. The next try is
    never earlier than the schedule says, and later when the receiver asked for it.
    """
    if answer.is_delivered:
        return DeliveryState.DELIVERED, None
    begun = delivery.attempt + 1
    if answer.status == _GONE or answer.is_final or begun >= schedule.attempts_max:
        return DeliveryState.FAILED, None
    asked_ms = min(answer.retry_after_ms or 0, RETRY_AFTER_MS_MAX)
    return DeliveryState.PENDING, now_ms + max(schedule.delay_ms(begun, chance), asked_ms)


def next_if_lost(
    delivery: Delivery, now_ms: int, lost_ms: int, chance: float, schedule: Schedule = STANDARD
) -> int:
    """Return when to look again if nothing is ever recorded of the try that begins now.

    `lost_ms` is how long that try can last: before it is over nobody may send the same again.
    """
    begun = delivery.attempt + 1
    if begun >= schedule.attempts_max:
        return now_ms + lost_ms
    return now_ms + max(schedule.delay_ms(begun, chance), lost_ms)


def retry_after_ms(value: str | None, now_ms: int) -> int | None:
    """Read a Retry-After header, seconds or an HTTP date; None when absent or unreadable."""
    if value is None:
        return None
    text = value.strip()
    if _SECONDS.fullmatch(text):
        return min(int(text) * 1_000, RETRY_AFTER_MS_MAX)
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, IndexError, OverflowError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return min(max(int(moment.timestamp() * 1_000) - now_ms, 0), RETRY_AFTER_MS_MAX)
