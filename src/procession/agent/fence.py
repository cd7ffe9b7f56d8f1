"""How long a run may go on without its lease being renewed. Pure: times are arguments."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

Policy = Literal["always", "reachable"]

STOP_AT = 2 / 3
"""Part of a lease after which a run that could not be renewed is stopped."""
KILL_AT = 0.9
"""Part of a lease after which its keeper kills it, whatever the agent does."""


class Contact(Struct):
    """What the agent knows of the server being down, as opposed to unreachable.

    Between two refused connections in a row, with no other failure between them, no server
    process was there that could have given work away. That time is credited to every lease.
    """

    policy: Policy
    outage_s_max: float
    credit_s: float = 0.0
    _refused_s: float | None = None
    _outage_s: float = 0.0

    def answered(self) -> None:
        """The server answered: an outage, if there was one, is over."""
        self._refused_s = None
        self._outage_s = 0.0

    def refused(self, now_s: float) -> None:
        """The server's host actively refused the connection."""
        if self._refused_s is not None and self.policy == "reachable":
            step_s = min(now_s - self._refused_s, self.outage_s_max - self._outage_s)
            self._outage_s += step_s
            self.credit_s += step_s
        self._refused_s = now_s

    def silent(self) -> None:
        """No answer, or a broken one: the server may be alive and out of reach."""
        self._refused_s = None


class Lease(Struct):
    """One run's hold on its item, counted from when the renewing request was sent."""

    lease_s: float
    renewed_s: float
    credit_at_renewal_s: float

    def renew(self, sent_s: float, contact: Contact) -> None:
        """The server took a request that was sent at `sent_s` and names this run."""
        if sent_s > self.renewed_s:
            self.renewed_s = sent_s
            self.credit_at_renewal_s = contact.credit_s

    def stop_at_s(self, contact: Contact) -> float:
        """When the run must begin to be stopped."""
        return self._after(STOP_AT, contact)

    def kill_at_s(self, contact: Contact) -> float:
        """When the keeper kills the run by itself."""
        return self._after(KILL_AT, contact)

    def _after(self, part: float, contact: Contact) -> float:
        credit_s = contact.credit_s - self.credit_at_renewal_s
        return self.renewed_s + credit_s + self.lease_s * part
