"""What one server remembers of the hosts it sends to: which of them rest, how much each takes.

Pure: time and chance are arguments. Nothing of it is stored: after a restart a dead host is found
out again with one try.
"""

from dataclasses import dataclass

from procession.webhooks.delivery import JITTER

REST_MS_MIN = 500
REST_MS_MAX = 60_000
BATCH_MAX = 32
FAST_MS_MAX = 250
HOSTS_KEPT_MAX = 4_096

_AHEAD_MS_MAX = int(REST_MS_MAX * (1 + JITTER))


@dataclass(slots=True)
class Host:
    """One host; `batch` is how many deliveries it is given at once, 1 to `BATCH_MAX`."""

    batch: int = 1
    rest_ms: int = 0
    rests_until_ms: int = 0

    @property
    def is_silent(self) -> bool:
        """Whether its last try brought no answer."""
        return self.rest_ms > 0

    def is_resting(self, now_ms: int) -> bool:
        """Say whether it is left alone; a clock that was set back ends a rest."""
        return 0 < self.rests_until_ms - now_ms <= _AHEAD_MS_MAX

    def silent(self, now_ms: int, chance: float) -> None:
        """No answer came: it rests, twice as long as the last time, prolonged by `chance`."""
        self.rest_ms = min(max(self.rest_ms * 2, REST_MS_MIN), REST_MS_MAX)
        self.rests_until_ms = now_ms + int(self.rest_ms * (1 + JITTER * chance))
        self.batch = 1

    def answered(self) -> None:
        """Any status is an answer: it is there."""
        self.rest_ms = self.rests_until_ms = 0

    def took(self, posted: int, duration_ms: float, *, all_delivered: bool) -> None:
        """Fit the next batch to how `posted` of this one went, so that it stays fast."""
        if not all_delivered:
            self.batch = 1
        elif duration_ms > FAST_MS_MAX:
            self.batch = max(min(posted, self.batch) // 2, 1)
        elif posted == self.batch and duration_ms * 2 <= FAST_MS_MAX:
            self.batch = min(self.batch * 2, BATCH_MAX)


class Hosts:
    """The hosts by origin; those heard of longest ago are forgotten."""

    def __init__(self) -> None:
        self._known: dict[str, Host] = {}

    def of(self, origin: str) -> Host:
        """Return what is known of a host; changes to it are kept."""
        host = self._known.pop(origin, None) or Host()
        self._known[origin] = host
        if len(self._known) > HOSTS_KEPT_MAX:
            del self._known[next(iter(self._known))]
        return host

    def is_resting(self, origin: str, now_ms: int) -> bool:
        host = self._known.get(origin)
        return host is not None and host.is_resting(now_ms)

    def lift(self) -> None:
        """End all rests; a host that is still silent rests again, and longer."""
        for host in self._known.values():
            host.rests_until_ms = 0
