"""What must be true of every log, however often anything was killed."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

from api import ENDED, Api
from deadline import until

LEFT = ENDED | {"retrying", "waiting_review", "item_retrying", "lease_lost"}
"""After these an item's run is no longer the one that was claimed."""


class Stay(NamedTuple):
    """One attempt on one phone, from its claim to its end."""

    phone_id: str
    begin: datetime
    end: datetime
    process_id: str


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


def verify_log(api: Api, process_id: str) -> list[Any]:
    """Gapless, ended exactly once and then silent; the log."""
    record, events = api.record(process_id), api.events(process_id)
    names = [event["name"] for event in events]
    assert record["status"] in ENDED, record
    assert [event["seq"] for event in events] == list(range(1, record["version"] + 1))
    assert names[:2] == ["accepted", "planned"], names
    assert [name for name in names if name in ENDED] == [names[-1]], names
    assert names[-1] == record["status"]
    times = [at(event["at"]) for event in events]
    assert times == sorted(times), times
    return events


def stays(process_id: str, events: Iterable[Any]) -> list[Stay]:
    """When a process of one item was on which phone, as its log has it."""
    found, begun = [], None
    for event in events:
        name, data = event["name"], event["data"]
        if name in ("executing", "item_claimed") and "phone_id" in data:
            begun = (data["phone_id"], at(event["at"]))
        elif name in LEFT and begun:
            found.append(Stay(*begun, at(event["at"]), process_id))
            begun = None
    return found


def verify_phones(all_stays: Iterable[Stay], apart_s: float = 0.0) -> None:
    """No phone ever had two runs, as the logs have it.

    `apart_s`: by how much the times of two servers' turns may be apart, as one may wait for the
    other, or for the database, with the time it began at.
    """
    for first, second in pairwise(sorted(all_stays)):
        if first.phone_id == second.phone_id:
            together_s = (first.end - second.begin).total_seconds()
            assert together_s <= apart_s, (first, second)


class Book:
    """What the runs themselves wrote down; see plugins/witness.py."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def inputs(self, seconds: float, **more: Any) -> dict[str, Any]:
        return {"book": str(self.folder), "seconds": seconds, **more}

    def lines(self) -> list[dict[str, Any]]:
        book = self.folder / "book"
        return [json.loads(line) for line in book.read_text().splitlines()] if book.exists() else []

    def begun(self, process_id: str, attempt: int = 1) -> dict[str, Any] | None:
        """The line a run's beginning left, if it has begun."""
        wanted = item_of(process_id)
        for line in self.lines():
            if (line["what"], line["item_id"], line["attempt"]) == ("begin", wanted, attempt):
                return line
        return None

    def until_begun(self, process_id: str, attempt: int = 1) -> int:
        """The process id of a run, once it has begun."""
        line = until(lambda: self.begun(process_id, attempt=attempt), 20, "a run's beginning")
        pid: int = line["pid"]
        return pid

    def verify(self) -> None:
        """No phone ever had two runs, as the runs found it; none began or ended twice."""
        lines = self.lines()
        overlaps = [line for line in lines if line["what"] == "overlap"]
        assert not overlaps, overlaps
        for what in ("begin", "end"):
            keys = [(line["item_id"], line["attempt"]) for line in lines if line["what"] == what]
            assert len(keys) == len(set(keys)), keys


def item_of(process_id: str) -> str:
    """The id of a process's first item: its own counted on."""
    text = f"{int(process_id.replace('-', ''), 16) + 1:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
