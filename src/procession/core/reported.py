"""What an outside system says of a process's steps: one function a verb, as in `lifecycle`.

A step only moves forward: pending, under way, ended. What comes late (a start after the end) or
again changes nothing; what contradicts an end is refused. Steps may run in any order and at the
same time. The last one to complete completes the process; one that fails fails it, unless its
failure is excused.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Raw, Struct
from msgspec.json import decode, encode
from msgspec.structs import replace

from procession.core.errors import WrongState
from procession.core.process import EMPTY, Change, Error, Item, Process, Standing
from procession.core.settle import Verdict, settle
from procession.core.states import FINAL, ITEM_FINAL, RETRIABLE, ItemState, State

Moves = list[tuple[Item | None, Item]]

STEP_FAILED = "step_failed"
PROCESS_FAILED = "failed"


class StepDef(Struct, frozen=True, omit_defaults=True):
    """A step as its process was created with it."""

    key: str
    label: str
    human: bool = False
    continue_on_failure: bool = False


class StepReport(Struct, frozen=True, omit_defaults=True):
    """What was said of a step; kept as its item's result."""

    detail: str = ""
    message: str = ""
    data: Raw = EMPTY


def report_of(item: Item) -> StepReport:
    return decode(item.result, type=StepReport)


def start(process: Process, item: Item, *, human: bool, detail: str, now_ms: int) -> Change:
    """The step is under way. Raises WrongState once the process has ended."""
    _going(process)
    if item.state is not ItemState.QUEUED:
        return Change(process)
    after = _started(item, human=human, detail=detail, now_ms=now_ms)
    return settle(process, _at(process), [(item, after)], _news("step_started", item), now_ms)


def progress(
    process: Process,
    item: Item,
    *,
    human: bool,
    message: str | None,
    percent: float | None,
    now_ms: int,
) -> Change:
    """The step got further; one that had not started has. What is None stays as it was."""
    _going(process)
    if item.state in ITEM_FINAL:
        return Change(process)
    under_way = item
    if item.state is ItemState.QUEUED:
        under_way = _started(item, human=human, detail="", now_ms=now_ms)
    said = report_of(item)
    after = replace(
        under_way,
        percent=item.percent if percent is None else percent,
        result=_kept(said, message=said.message if message is None else message),
    )
    standing = replace(_at(process), message=message or process.standing.message)
    data = {"step": item.step, "percent": percent, "message": message or ""}
    return settle(process, standing, [(item, after)], ("progress", data), now_ms)


def complete(
    process: Process, item: Item, others: Sequence[Item], *, detail: str, data: Raw, now_ms: int
) -> Change:
    """The step is done; the last of them completes the process. `others` are all the other steps.

    Raises WrongState once the process, or this step otherwise, has ended.
    """
    _going(process)
    if item.state is ItemState.COMPLETED:
        return Change(process)
    if item.state in ITEM_FINAL:
        raise WrongState(f"step {item.step} is {item.state.value} already")
    said = report_of(item)
    kept = _kept(said, detail=detail or said.detail, data=data)
    after = _ended(item, ItemState.COMPLETED, kept, None, now_ms)
    news = _news("step_completed", item)
    standing = _at(process, ended=1)
    return settle(process, standing, [(item, after)], news, now_ms, verdict=_verdict(others))


def fail(
    process: Process, item: Item, others: Sequence[Item], *, error: str, now_ms: int
) -> Change:
    """The step failed, and with it the process unless that is excused.

    Raises WrongState as `complete`.
    """
    _going(process)
    if item.state is ItemState.FAILED:
        return Change(process)
    if item.state in ITEM_FINAL:
        raise WrongState(f"step {item.step} is {item.state.value} already")
    why = Error(error, STEP_FAILED)
    after = _ended(item, ItemState.FAILED, item.result, why, now_ms)
    news = (STEP_FAILED, {"step": item.step, "error": error})
    if item.step in process.request.excused:
        standing = _at(process, ended=1)
        return settle(process, standing, [(item, after)], news, now_ms, verdict=_verdict(others))
    moves = [*_left(others, now_ms), (item, after)]
    return settle(process, process.standing, moves, news, now_ms, verdict=Verdict(error=why))


def finish(process: Process, items: Sequence[Item], *, summary: Raw, now_ms: int) -> Change:
    """The whole is done: steps under way are, those not begun are left out.

    Said again it may add the summary. Raises WrongState when the process ended otherwise.
    """
    news: tuple[str, dict[str, object]] = ("reported_completed", {})
    if process.state is State.COMPLETED:
        if summary in (EMPTY, process.standing.result):
            return Change(process)
        standing = replace(process.standing, result=summary)
        return settle(process, standing, (), news, now_ms, verdict=Verdict(summary))
    _going(process)
    moves: Moves = [
        (item, _ended(item, ItemState.COMPLETED, item.result, None, now_ms))
        for item in items
        if item.state in (ItemState.RUNNING, ItemState.WAITING)
    ]
    moves += _left([item for item in items if item.state is ItemState.QUEUED], now_ms)
    return settle(process, process.standing, moves, news, now_ms, verdict=Verdict(summary))


def give_up(process: Process, items: Sequence[Item], *, error: str, now_ms: int) -> Change:
    """The whole has failed, with the steps under way; so has one that was cancelled.

    Raises WrongState for one that completed.
    """
    if process.state in FINAL and process.state is not State.COMPLETED:
        return Change(process)
    _going(process)
    why = Error(error, PROCESS_FAILED)
    open_items = [item for item in items if item.state not in ITEM_FINAL]
    failed = [item for item in open_items if item.state is not ItemState.QUEUED] or open_items[:1]
    moves = _left([item for item in open_items if item not in failed], now_ms)
    moves += [(i, _ended(i, ItemState.FAILED, i.result, why, now_ms)) for i in failed]
    news = ("reported_failed", {"error": error})
    return settle(process, process.standing, moves, news, now_ms, verdict=Verdict(error=why))


def belongs(process: Process, *, step: str, task_id: str, now_ms: int) -> Change:
    """Somebody is asked for a step: it changes nothing but what the process's record shows."""
    news = ("task_asked", {"step": step, "task_id": task_id})
    return settle(process, process.standing, (), news, now_ms)


def retry(process: Process, items: Sequence[Item], now_ms: int) -> Change:
    """What did not complete is open again. Raises WrongState if the process has not failed."""
    if process.state not in RETRIABLE:
        raise WrongState(f"process is {process.state}; only a failed one can be retried")
    moves = [
        (
            item,
            replace(
                item,
                state=ItemState.QUEUED,
                error=None,
                percent=None,
                started_ms=None,
                finished_ms=None,
                result=EMPTY,
            ),
        )
        for item in items
        if item.state is not ItemState.COMPLETED
    ]
    standing = replace(
        process.standing, finished_ms=None, error=None, result=EMPTY, message="", retrying_ms=now_ms
    )
    return settle(process, standing, moves, ("retrying", {"items": len(moves)}), now_ms)


def _verdict(others: Sequence[Item]) -> Verdict | None:
    """All is well when the last step has ended without failing the process."""
    return Verdict() if all(other.state in ITEM_FINAL for other in others) else None


def _going(process: Process) -> None:
    if process.state in FINAL:
        raise WrongState(f"the process is {process.state.value} already")


def _started(item: Item, *, human: bool, detail: str, now_ms: int) -> Item:
    state = ItemState.WAITING if human else ItemState.RUNNING
    kept = _kept(report_of(item), detail=detail)
    return replace(item, state=state, started_ms=now_ms, result=kept)


def _ended(item: Item, state: ItemState, kept: Raw, error: Error | None, now_ms: int) -> Item:
    return replace(
        item,
        state=state,
        started_ms=item.started_ms or now_ms,
        finished_ms=now_ms,
        result=kept,
        error=error,
    )


def _left(items: Sequence[Item], now_ms: int) -> Moves:
    """Steps that nobody will finish any more."""
    return [
        (item, replace(item, state=ItemState.CANCELLED, finished_ms=now_ms))
        for item in items
        if item.state not in ITEM_FINAL
    ]


def _kept(said: StepReport, **changes: object) -> Raw:
    return Raw(encode(replace(said, **changes)))


def _at(process: Process, ended: int = 0) -> Standing:
    """The standing with the progress of the whole, once so many more steps have ended."""
    ended += process.count(*ITEM_FINAL)
    return replace(process.standing, percent=100.0 * ended / process.items_total)


def _news(name: str, item: Item) -> tuple[str, dict[str, object]]:
    return name, {"step": item.step}
