"""A phone from both sides: as a run sees it, and as the simulator knows it."""

from __future__ import annotations

from typing import Any, NamedTuple

from adb_phone import AdbPhone

from procession.simulator.phone import Phone as SimulatedPhone

ACCOUNT = "acc one/&ä"


class Bench(NamedTuple):
    """A phone and its simulation."""

    phone: AdbPhone
    simulated: SimulatedPhone

    @property
    def account(self) -> dict[str, Any]:
        """What the demo app keeps of the account that the test's jobs are for."""
        found: dict[str, Any] = self.simulated.app.state()["accounts"][ACCOUNT]
        return found
