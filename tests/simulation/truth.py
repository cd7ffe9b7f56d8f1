"""What really happens on the phones, whatever anybody believes."""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct

from simulation.timeline import Timeline

Key = tuple[str, int]
WANTED = ("again", "infra")
"""Ends of runs that say themselves that another try is wanted."""


class Run(Struct, eq=False):
    """One run that really took place."""

    item_id: str
    attempt: int
    phone_id: str
    life: str
    began_s: float
    ended_s: float | None = None
    how: str = ""
    orphan: bool = False
    """Its keeper is gone: nobody watches its lease."""

    def __str__(self) -> str:
        return f"{self.item_id[-4:]}/{self.attempt} of {self.life} on {self.phone_id}"


class Truth:
    """Every run there ever was; two at a time on one phone break the world."""

    def __init__(
        self,
        timeline: Timeline,
        note: Callable[[str], None],
        broken: Callable[[str], None],
    ) -> None:
        self.begun: Callable[[], None] = lambda: None
        self._timeline = timeline
        self._note = note
        self._broken = broken
        self.runs: dict[Key, Run] = {}
        self._on: dict[str, Run] = {}
        self._last: dict[str, Run] = {}
        self.reopened: Callable[[str], bool] = lambda _: False
        """Whether a person had this process tried again: then it may be, whatever it is."""

    def begin(
        self, item_id: str, attempt: int, phone_id: str, life: str, process_id: str, once: bool
    ) -> Run:
        """A run acts on its phone from now on; `once`: it must not be repeated by itself."""
        run = Run(item_id, attempt, phone_id, life, self._timeline.now_s)
        self._note(f"run {run} begins")
        other = self._on.get(phone_id)
        if other is not None:
            self._broken(f"two runs on one phone: {other} since {other.began_s:.3f}, and {run}")
        if (item_id, attempt) in self.runs:
            self._broken(f"run twice: {run}, and {self.runs[item_id, attempt]}")
        last = self._last.get(item_id)
        if once and last and last.how not in WANTED and not self.reopened(process_id):
            self._broken(f"repeated by itself: {last}, {last.how}, and {run}")
        self._last[item_id] = self.runs[item_id, attempt] = run
        self._on[phone_id] = run
        self.begun()
        return run

    def end(self, run: Run, how: str) -> None:
        """Nothing of it is left."""
        if run.ended_s is None:
            run.ended_s = self._timeline.now_s
            run.how = how
            self._note(f"run {run} ends: {how}")
            if self._on.get(run.phone_id) is run:
                del self._on[run.phone_id]

    def alive(self) -> list[Run]:
        return list(self._on.values())
