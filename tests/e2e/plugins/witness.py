"""A capability that bears witness: of when its runs lived, and whether two ever shared a phone.

A run locks its phone's file for as long as any process of it lives; the kernel gives the lock
back when the last one is dead. Whoever finds the file locked has found a second run.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from typing import Any, ClassVar

from procession.capabilities.capability import MODES, NO_BLOCKS, ROUTINGS, Job

PART_S = 0.05


class Witness:
    """Input: `book` (a folder for locks and notes), `seconds`, `ignore_stop`.

    `again_seconds`: how long attempts after the first take, where that differs.
    """

    name: ClassVar[str] = "witness"
    Input: ClassVar[Any] = None
    modes: ClassVar[Any] = MODES
    routings: ClassVar[Any] = ROUTINGS
    blocked: ClassVar[Any] = NO_BLOCKS
    needs_phone: ClassVar[bool] = True
    on_interrupted: ClassVar[Any] = "retry"
    attempts_max: ClassVar[int] = 3
    time_limit_ms: ClassVar[int] = 600_000

    def run(self, job: Job) -> Any:
        assert job.phone is not None
        phone_id = job.phone.phone_id
        lock = os.open(os.path.join(job.input["book"], phone_id), os.O_RDWR | os.O_CREAT, 0o600)
        note(job, "begin" if locked(lock) else "overlap", phone_id)
        which = "again_seconds" if job.attempt > 1 and "again_seconds" in job.input else "seconds"
        until_s = time.monotonic() + job.input[which]
        while time.monotonic() < until_s:
            self.pass_time(job)
        note(job, "end", phone_id)
        return {"attempt": job.attempt}

    def pass_time(self, job: Job) -> None:
        if job.input.get("ignore_stop"):
            time.sleep(PART_S)
        else:
            job.wait(PART_S)


class WitnessFail(Witness):
    """The same, not to be repeated once it has begun."""

    name: ClassVar[str] = "witness_fail"
    on_interrupted: ClassVar[Any] = "fail"


class WitnessAsk(Witness):
    """The same; when interrupted a person decides."""

    name: ClassVar[str] = "witness_ask"
    on_interrupted: ClassVar[Any] = "ask_human"


class WitnessTalk(Witness):
    """The same, talking to its phone all the time."""

    name: ClassVar[str] = "witness_talk"

    def pass_time(self, job: Job) -> None:
        assert job.phone is not None
        job.phone.shell("getprop ro.serialno", timeout_s=job.input.get("patience_s", 20.0))
        job.wait(PART_S)


def locked(lock: int) -> bool:
    """Whether nobody else had it."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def note(job: Job, what: str, phone_id: str) -> None:
    """One line in the book, written at once and whole."""
    line = {
        "what": what,
        "item_id": job.item_id,
        "attempt": job.attempt,
        "phone_id": phone_id,
        "pid": os.getpid(),
        "at_s": time.monotonic(),
    }
    book = os.open(os.path.join(job.input["book"], "book"), os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(book, json.dumps(line).encode() + b"\n")
    os.close(book)
