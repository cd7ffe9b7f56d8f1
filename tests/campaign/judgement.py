"""What must hold when a round is over and everything is quiet again."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any

from api import Api
from deadline import until
from history import stays, verify_log, verify_phones
from installation import Installation
from load import Piece
from patient_api import PatientApi

END_S_MAX = 60.0
FREE_S_MAX = 20.0
TOLD_S_MAX = 30.0
APART_S_MAX = 2.0
LIVING = "queued,executing,retrying"
BROKEN_BY = ("lease_lost", "signal 9", "interrupted", "keeper", "no longer")
"""What the error of a run that was not to be repeated may speak of."""


def judge(place: Installation, accepted: Mapping[str, Piece]) -> None:
    """Raises AssertionError with the first thing that does not hold.

    Of callbacks it asks that they are listed; `judge_told` asks for their arrival.
    """
    api = reader(place)
    until_quiet(api, accepted)
    every = []
    for process_id, piece in accepted.items():
        record = api.record(process_id)
        judge_end(record, piece)
        events = verify_log(api, process_id)
        every += stays(process_id, events)
        judge_callbacks(place, api, process_id)
    verify_phones(every, APART_S_MAX if len(place.servers) > 1 else 0.0)
    place.book.verify()
    assert place.receiver.refused == []
    until(lambda: free(api), FREE_S_MAX, "every phone free")


def until_quiet(api: Api, accepted: Mapping[str, Piece]) -> None:
    """Everything accepted is present and has ended, and nothing else is alive."""
    ends_s = time.monotonic() + END_S_MAX
    for process_id in accepted:
        api.ended(process_id, max(1.0, ends_s - time.monotonic()))
    left = api.get(f"/processes?status={LIVING}&limit=200")["processes"]
    assert left == [], left


def judge_end(record: Any, piece: Piece) -> None:
    """It ended as its work allows: a run is excused only by what was done to it."""
    if record["status"] == "completed":
        return
    if piece.cancel and record["status"] == "cancelled":
        return
    assert record["status"] == "failed_terminal", record
    told = f"{record['error']['category']} {record['error']['message']}"
    excuses = (*BROKEN_BY, "phone_") if piece.capability == "witness_talk" else BROKEN_BY
    assert any(word in told for word in excuses), (record, piece)


def judge_callbacks(place: Installation, api: Api, process_id: str) -> None:
    """Every callback owed is listed; every one said to be delivered has arrived, none besides."""
    found = deliveries(api, process_id)
    arrived = set(place.receiver.versions(process_id))
    versions = {one["version"] for one in found}
    delivered = {one["version"] for one in found if one["status"] == "delivered"}
    record = api.record(process_id)
    assert {1, record["version"]} <= versions, (record, found)
    assert delivered <= arrived <= versions, (arrived, found)


def judge_told(place: Installation, process_ids: Iterable[str]) -> None:
    """Every callback arrives in the end: one whose try is in doubt has its pause first."""

    api = reader(place)

    def told(process_id: str) -> bool:
        return all(one["status"] == "delivered" for one in deliveries(api, process_id))

    for process_id in process_ids:
        until(partial(told, process_id), TOLD_S_MAX, f"every callback of {process_id}")
        judge_callbacks(place, api, process_id)


def deliveries(api: Api, process_id: str) -> list[Any]:
    found: list[Any] = api.get(f"/processes/{process_id}/deliveries")["deliveries"]
    return found


def reader(place: Installation) -> Api:
    """For the truth, however long it takes to be told."""
    one = place.api
    return PatientApi(one.port, one.token, one.callback_url, one.host)


def free(api: Api) -> bool:
    return all(phone["lease"] is None for phone in api.phones().values())
